import { z } from "zod";
import { parseConninfo } from "../../postgres/parse-conninfo.ts";
import type { ConnectionSettings } from "../../postgres/resolve-connection.ts";

/** How to reach a database. Each way to a secret is a reference; the secret itself need not stand in the file. */
export const connectionKeys = {
  url: z
    .string()
    .min(1)
    .optional()
    .describe('Connection string as psql takes it: a URI or key=value pairs. Usually "${SOURCE_URL}" or a URI without a password.'),
  urlFile: z.string().min(1).optional().describe("File whose first line is the connection string, instead of url."),
  passwordFile: z.string().min(1).optional().describe("File whose first line is the password; read again at every connection."),
  passwordCommand: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Program and arguments; the first line it prints is the password. Run without a shell at every connection."),
  rdsIam: z
    .strictObject({ region: z.string().min(1).describe("AWS region of the database.") })
    .optional()
    .describe("Signs in to RDS or Aurora with a short-lived IAM token."),
};

export interface ConnectionKeys {
  readonly url?: string | undefined;
  readonly urlFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: readonly string[] | undefined;
  readonly rdsIam?: { readonly region: string } | undefined;
}

export const sourceSchema = z
  .strictObject({
    ...connectionKeys,
    replicaUrl: z.string().min(1).optional().describe("A standby of the source, which chunks are read from. Signs in as url does."),
  })
  .superRefine(oneOfEach)
  .describe("The database to move. pghaul reads it and adds a publication and a slot.");

export function oneOfEach(keys: ConnectionKeys, context: z.RefinementCtx): void {
  if ((keys.url === undefined) === (keys.urlFile === undefined)) {
    context.addIssue({ code: "custom", message: "needs either url or urlFile" });
  }
  const passwords = (["passwordFile", "passwordCommand", "rdsIam"] as const).filter((key) => keys[key] !== undefined);
  if (passwords.length > 1) context.addIssue({ code: "custom", message: `has ${passwords.join(" and ")}; set only one of them` });
}

/** What of a connection two operators have in common: all but passwords, and how each of them comes by his. */
export function withoutSecrets(connection: ConnectionSettings): object {
  const { password: _, sslpassword: __, ...open } = parseConninfo(connection.url ?? "");
  return { ...open, rdsIam: connection.rdsIam };
}
