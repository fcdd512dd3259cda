import { initKeysOf, type Kind, kindOfUrl, type TargetAnswer } from "../../config/targets/targets.ts";
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

interface TargetUrlAnswer {
  readonly target: TargetAnswer;
  /** As of the connection string. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A target's URL and its other keys. What is no connection string stands in the file as it is. */
export function targetAnswer(
  url: string,
  settings: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): TargetUrlAnswer {
  const kind = kindOfAnswer(url, environment);
  const { text, variables } =
    initKeysOf(kind).connects || REFERENCE.test(url)
      ? connectionAnswer(url, "TARGET_URL", environment)
      : { text: url.replaceAll("${", "$${"), variables: {} };
  return { target: { url: text, kind, settings }, variables };
}

/** The kind that a URL means, or the value of the variable that stands for it. */
export function kindOfAnswer(url: string, environment: Readonly<Record<string, string | undefined>>): Kind {
  const reference = /^\$\{(\w+)\}$/.exec(url)?.[1];
  return kindOfUrl(reference === undefined ? url : (environment[reference] ?? url));
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
