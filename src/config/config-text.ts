/** What `init` knows when it writes the file. Connection strings stand as they shall be written: references, or strings without a password. */
export interface ConfigAnswers {
  readonly migration: string;
  readonly source: string;
  readonly target: string;
  readonly tables: readonly string[];
  /** What was seen at the source, a line for a comment; null when nobody looked. */
  readonly seen: string | null;
  /** How applications find the primary; null where that is not decided. */
  readonly route: RouteAnswer | null;
  /** Where the JSON Schema lies, for editors: a path relative to the file. */
  readonly schema: string;
}

/** A JSON document that applications read, or a program that changes the route. */
export type RouteAnswer = { readonly kind: "document"; readonly file: string } | { readonly kind: "hook"; readonly program: string };

/** A `pghaul.yaml` with comments. Settings that have a good default are shown, commented out, with that default. */
export function configText({ migration, source, target, tables, seen, route, schema }: ConfigAnswers): string {
  return `# yaml-language-server: $schema=${schema}
version: 1

# The migration's name. Confirmations ask for it, and it is part of the names of the slot and the publication.
migration: ${quoted(migration)}

# \${NAME} reads an environment variable, so that this file holds no secret. Other ways to give a password: urlFile,
# passwordFile, passwordCommand, rdsIam, and those of psql (PGPASSWORD, ~/.pgpass, service files).
source:${seen === null ? "" : ` # ${oneLine(seen)}`}
  url: ${quoted(source)}

target:
  kind: postgres
  url: ${quoted(target)}
  # schema: move        # or existing: the tables exist already, and are empty
  # owners: keep        # or drop
  # privileges: keep    # or drop

tables:
  include: [${tables.map(quoted).join(", ")}]
  # exclude: ["public.tmp_*"]
  # overrides:
  #   public.events: { chunkBytes: 256MB }

# Progress and change log. Must be on a local disk; relative to this file.
state:
  dir: .pghaul

# Streaming never waits for any of these; only the first load does.
# throttle:
#   workers: 4                 # chunks read at once
#   chunkSeconds: 3            # about how long one read, and so one snapshot at the source, may last
#   maxReplicaLagSeconds: 10   # no read starts while a standby of the source lags more than this
#   maxSlotBytes: 50GB         # nor while pghaul's slot holds back more WAL at the source
#   businessHours: "Mon-Fri 08:00-20:00 Europe/Berlin"   # nor in these hours

${cutoverText(route)}`;
}

/** Without a route the whole section is a comment: `cutover` says what is missing. */
function cutoverText(route: RouteAnswer | null): string {
  const mark = route === null ? "# " : "";
  return `${mark}cutover:
#   maxStall: 250ms            # longest time that writes may stop during the switch
${mark}  routing:
${mark}    - ${routeText(route ?? { kind: "document", file: "route.json" })}
#   gates: { maxLagSeconds: 5, verifiedWithin: 24h }
`;
}

function routeText(route: RouteAnswer): string {
  if (route.kind === "hook") return `{ kind: hook, command: [${quoted(route.program)}] }`;
  return `{ kind: document, file: ${route.file === "route.json" ? route.file : quoted(route.file)} }`;
}

/** JSON's strings are YAML's double-quoted ones (yaml.org/spec/1.2.2, section 7.3.1). */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A comment ends with its line; a name from the server may not. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
