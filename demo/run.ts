/**
 * `npm run demo`: a payments company on PostgreSQL 14 moves to PostgreSQL 15 while it works, switches its writes there and back, and both
 * databases are compared at the end. Everything is real: two servers, the binary `pghaul`, an application that knows nothing of it but a
 * routing document. Ends with 0 only when nothing was lost, nothing doubled, and every table is equal.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { configuration } from "./configuration.ts";
import { Operator } from "./operator.ts";
import { PaymentsApplication } from "./payments/application.ts";
import { DATABASE, prepareTarget, type Servers, startServers } from "./servers.ts";
import { Stages } from "./stages.ts";
import { tellStory } from "./story.ts";

const DIRECTORY = fileURLToPath(new URL("../.demo", import.meta.url));

async function main(): Promise<number> {
  const stages = new Stages();
  stages.next("A payments company on PostgreSQL 14: 14 tables, a million rows; and an empty PostgreSQL 15");
  const servers = await startServers((line) => console.log(`  ${line} [${stages.elapsed}]`));
  try {
    return await withApplication(servers, stages);
  } finally {
    await Promise.all([servers.source[Symbol.asyncDispose](), servers.target[Symbol.asyncDispose]()]);
  }
}

async function withApplication(servers: Servers, stages: Stages): Promise<number> {
  const schema = await prepareTarget(servers);
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY);
  const config = configuration(schema);
  writeFileSync(`${DIRECTORY}/pghaul.yaml`, config);
  console.log(`\n.demo/pghaul.yaml:\n${config.replaceAll(/^/gm, "  ")}`);
  const urls = { source: servers.source.url(DATABASE), target: servers.target.url(DATABASE) };
  const env = { ...process.env, SOURCE_URL: urls.source, TARGET_URL: urls.target };
  const operator = new Operator({ directory: DIRECTORY, env });
  const application = new PaymentsApplication({ urls, routeFile: `${DIRECTORY}/route.json`, clerks: 12, transactionsPerSecond: 200 });
  try {
    return await Promise.race([tellStory({ operator, application, stages, urls, directory: DIRECTORY }), application.failed]);
  } finally {
    await operator.leave();
    await application.stop().catch(() => undefined);
    await application.close();
  }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  console.error("Its state, its change log and the run.log of the streaming process are in .demo/.");
  return 1;
});
