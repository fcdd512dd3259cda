/**
 * Keys that the operator finds equal and that have another text. The engine names rows by text: what is done to one of the texts must leave
 * the row alone that stands there under another.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Change } from "../../../src/model/change.ts";
import { type PartialRow, UNCHANGED } from "../../../src/model/value.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench, hasCode, row } from "./bench.ts";

const TYPES = `create type amount as (n numeric); create domain price as numeric;
  create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;

const KEYS = [
  { type: "numeric", here: "0.5", equal: "0.50" },
  { type: "price", here: "0.5", equal: "0.50" },
  { type: "float8", here: "0", equal: "-0" },
  { type: "interval", here: "1 day", equal: "24:00:00" },
  { type: "jsonb", here: "1.0", equal: "1.00" },
  { type: "numeric[]", here: "{0.5}", equal: "{0.50}" },
  { type: "numrange", here: "[0.5,1)", equal: "[0.50,1)" },
  { type: "amount", here: "(0.5)", equal: "(0.50)" },
  { type: "text collate loose", here: "a", equal: "A" },
] as const;

/** More rows than go into a statement as constants. */
const STAGED = 60;

for (const version of [13, 18] as const) {
  suite(`equal keys of other text on PostgreSQL ${version}`, () => {
    let server: PgServer;
    before(async () => {
      server = await startServer({ version });
    });
    after(() => server[Symbol.asyncDispose]());

    for (const { type, here, equal } of KEYS) {
      test(type, async () => {
        await using bench = await Bench.open(server, `${TYPES} create table items (k ${type} primary key, v text, n int)`);
        await bench.sql("insert into items values ($1, 'here', 1)", [here]);
        const items = await bench.table("public.items", ["k"]);
        const tables = new Map([[items.id, items]]);
        const held = async () => (await bench.sql("select k::text, v from items")).map(({ k, v }) => [k, v]);
        const [key, other] = [row(here), row(equal)];
        for (const rows of [1, STAGED]) {
          const keys = Array.from({ length: rows }, () => other);
          await bench.apply((tx) => tx.replace(items, keys, []));
          await bench.apply((tx) => tx.apply(items, { deletes: keys, patches: [], puts: [] }, "tolerant"));
          const absent = await bench.apply((tx) =>
            tx.apply(items, { deletes: [], patches: [[equal, "no", UNCHANGED]], puts: [] }, "tolerant"),
          );
          assert.deepEqual(absent, [other]);
          assert.equal(await bench.apply((tx) => tx.move(items, other, row(equal, "no", "2"))), false);
          assert.deepEqual(await held(), [[here, "here"]]);
        }
        const strict: readonly Exclude<Change, { kind: "truncate" }>[] = [
          { kind: "delete", table: items.id, oldKey: other },
          { kind: "update", table: items.id, oldKey: null, row: row(equal, "no", "2") as PartialRow },
        ];
        for (const change of strict)
          await assert.rejects(
            bench.apply((tx) => tx.applyInOrder(tables, [change], "strict")),
            hasCode("TARGET_DRIFT"),
          );
        await assert.rejects(
          bench.apply((tx) => tx.apply(items, { deletes: [other], patches: [], puts: [] }, "strict")),
          hasCode("TARGET_DRIFT"),
        );
        assert.deepEqual(await held(), [[here, "here"]]);

        // The row changes to the other text and back: by delete and insert, in place, in order.
        await bench.apply((tx) => tx.apply(items, { deletes: [key], patches: [], puts: [row(equal, "put", "3")] }, "strict"));
        assert.deepEqual(await held(), [[equal, "put"]]);
        assert.equal(await bench.apply((tx) => tx.move(items, other, [here, "moved", UNCHANGED])), true);
        assert.deepEqual(await held(), [[here, "moved"]]);
        await bench.apply((tx) =>
          tx.applyInOrder(tables, [{ kind: "update", table: items.id, oldKey: key, row: row(equal, "in order", "4") }], "tolerant"),
        );
        assert.deepEqual(await held(), [[equal, "in order"]]);
      });
    }
  });
}
