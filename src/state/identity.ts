import { PghaulError } from "../errors/pghaul-error.ts";
import type { StateDatabase } from "./state-database.ts";

/** What a state directory belongs to: names such as `migration`, `source`, `target`, `tables`, each with a text a person can compare. */
export type Identity = Readonly<Record<string, string>>;

/** The identity as recorded; empty for a new state. */
export function readIdentity(database: StateDatabase): Identity {
  const rows = database.read(() => database.sqlite.prepare<[], { name: string; value: string }>("select name, value from identity").all());
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/**
 * Records each name on first sight and compares it from then on. Throws CONFIG_CHANGED with both values: going on with another source
 * or table list would mix two databases at the target.
 */
export function claimIdentity(database: StateDatabase, identity: Identity): void {
  database.write(() => {
    const known = readIdentity(database);
    const changed = Object.entries(identity).filter(([name, value]) => Object.hasOwn(known, name) && known[name] !== value);
    if (changed.length > 0) {
      const lines = changed.map(([name, value]) => `${name} was ${known[name]} and is now ${value}`);
      throw new PghaulError("CONFIG_CHANGED", `the state directory ${database.directory} belongs to something else: ${lines.join("; ")}`);
    }
    const insert = database.sqlite.prepare("insert into identity (name, value) values (?, ?) on conflict (name) do nothing");
    for (const [name, value] of Object.entries(identity)) insert.run(name, value);
  });
}
