import type pg from "pg";

/** What a statement of this folder needs: any client, pooled or not. */
export type Queryable = Pick<pg.ClientBase, "query">;
