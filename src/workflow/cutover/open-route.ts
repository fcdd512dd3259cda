import { join } from "node:path";
import type { Config } from "../../config/config.ts";
import type { Route } from "../../cutover/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { AllRoutes } from "../../routing/all-routes.ts";
import { DocumentRoute } from "../../routing/document-route.ts";
import { HookRoute } from "../../routing/hook-route.ts";

/** The route of `cutover.routing`. Throws CONFIG_INVALID when there is none: a switch that nobody follows is an outage. */
export function openRoute({ migration, cutover, state }: Config, attempt: () => number | null): Route {
  const routes = cutover.routing.map((route, index): Route => {
    if (route.kind === "document") return new DocumentRoute({ file: route.file, migration, now: () => new Date() });
    return new HookRoute({
      command: route.command,
      timeoutMillis: route.timeout,
      migration,
      attempt,
      record: join(state.dir, `hook-${index + 1}.json`),
    });
  });
  const [only] = routes;
  if (only !== undefined) return routes.length === 1 ? only : new AllRoutes(routes);
  throw new PghaulError("CONFIG_INVALID", "cutover.routing names no route: nothing would send the applications to the other side", {
    suggestion: "cutover: { routing: [ { kind: hook, command: [./route.sh] } ] }   # docs/routing.md has an example",
  });
}
