import { Flags } from "@oclif/core";

/** Flag of the commands that compare both sides. */
export const comparedTables = {
  table: Flags.string({
    multiple: true,
    helpValue: "SCHEMA.TABLE",
    summary: "Compare only this table, or those that match a pattern ('shop.*').",
  }),
};
