import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckResult } from "../../src/model/check-result.ts";
import { checkBucket } from "../../src/s3/check-bucket.ts";
import { openBucket } from "../../src/s3/open-bucket.ts";
import { S3Double } from "../support/s3-double.ts";

async function checked(
  change: (double: S3Double) => void,
): Promise<{ readonly results: ReadonlyMap<string, CheckResult>; readonly left: number }> {
  await using double = await S3Double.start();
  Object.assign(process.env, double.environment);
  change(double);
  const settings = { bucket: "bucket", prefix: "p", endpoint: double.endpoint, region: null, pathStyle: true, kmsKey: null };
  const bucket = await openBucket(settings, "orders");
  const results = new Map<string, CheckResult>();
  for await (const result of checkBucket(bucket)) results.set(result.id, result);
  return { results, left: double.objects.size };
}

test("a bucket with nothing set passes what decides and warns of the rest, each with what fixes it", async () => {
  const { results, left } = await checked(() => undefined);
  assert.deepEqual(Object.fromEntries([...results].map(([id, { status }]) => [id, status])), {
    "bucket-access": "pass",
    "bucket-conditional-writes": "pass",
    "bucket-versioning": "warn",
    "bucket-encryption": "warn",
    "bucket-public-access": "warn",
    "bucket-lifecycle": "pass",
    "bucket-region": "pass",
    "bucket-clock": "pass",
  });
  for (const { status, fix } of results.values()) assert.equal(fix !== null, status === "warn");
  assert.equal(left, 0);
});

test("a bucket that is set well passes all; a clock that is off and a rule that deletes are told", async () => {
  const { results } = await checked((double) => {
    double.clockAhead = 120_000;
    double.settings.set("versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    double.settings.set(
      "encryption",
      "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
    );
    const flags = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    const block = flags.map((flag) => `<${flag}>true</${flag}>`).join("");
    double.settings.set("publicAccessBlock", `<PublicAccessBlockConfiguration>${block}</PublicAccessBlockConfiguration>`);
    double.settings.set(
      "lifecycle",
      "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>p/</Prefix></Filter><Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>",
    );
  });
  for (const id of ["bucket-versioning", "bucket-encryption", "bucket-public-access"]) assert.equal(results.get(id)?.status, "pass", id);
  assert.match(results.get("bucket-lifecycle")?.evidence ?? "", /the rule old deletes objects of the migration after 7 days/);
  assert.equal(results.get("bucket-clock")?.status, "warn");
});

test("a server that takes conditions and ignores them fails: two operators could run one migration", async () => {
  const { results } = await checked((double) => {
    double.honoursConditions = false;
  });
  assert.equal(results.get("bucket-conditional-writes")?.status, "fail");
});

test("no permission is one failed check, and what a server does not know is no failure", async () => {
  const refused = await checked((double) => {
    double.fault = ({ method }) => (method === "PUT" ? "refuse" : null);
  });
  assert.deepEqual(
    [...refused.results.values()].map(({ status }) => status),
    ["fail"],
  );
  const partly = await checked((double) => {
    double.fault = ({ key }) => (key === "" ? "refuse" : null);
  });
  assert.equal(partly.results.get("bucket-versioning")?.status, "warn");
  assert.ok(![...partly.results.values()].some(({ status }) => status === "fail"));
});
