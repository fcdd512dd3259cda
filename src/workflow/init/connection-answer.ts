import { registerSecret } from "../../observe/redact.ts";
import { type Conninfo, parseConninfo } from "../../postgres/parse-conninfo.ts";

const REFERENCE = /\$\{[A-Za-z_]\w*\}/;

/** How a connection string that was given stands in the file. */
interface ConnectionAnswer {
  readonly text: string;
  /** What the text refers to, with the value that was given. */
  readonly variables: Readonly<Record<string, string>>;
}

/** One with a password in it becomes a reference to `variable`: no secret stands in the file. */
export function connectionAnswer(
  url: string,
  variable: string,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectionAnswer {
  if (REFERENCE.test(url)) return { text: url, variables: {} };
  if (url === environment[variable] || holdsSecret(url)) return { text: `\${${variable}}`, variables: { [variable]: url } };
  return { text: url.replaceAll("${", "$${"), variables: {} };
}

function holdsSecret(url: string): boolean {
  const { password, sslpassword } = parsedAnswer(url);
  return password !== undefined || sslpassword !== undefined;
}

/** Throws CONNECTION_STRING_INVALID, and from then on hides the text: it may hold a password. */
export function parsedAnswer(url: string): Conninfo {
  try {
    return parseConninfo(url);
  } catch (error) {
    registerSecret(url);
    throw error;
  }
}
