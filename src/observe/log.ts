import { jsonText } from "./json-text.ts";
import { redact } from "./redact.ts";

/** From the least to the most talkative. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names and counts only: `table`, `chunk`, `lsn`, `error`. Never row values. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

/** `event` is one lower-case name such as `chunk_done`; what varies goes into the fields, so that lines can be searched. */
export interface Logger {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** Gets whole lines, newline included. */
  readonly write: (line: string) => void;
  readonly fields?: LogFields;
  /** Milliseconds since the Unix epoch; replaced in tests. */
  readonly now?: () => number;
}

export function createLogger(options: LoggerOptions): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const now = options.now ?? Date.now;
  const write = (level: LogLevel, event: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) > threshold) return;
    const line = { time: new Date(now()).toISOString(), level, event, ...options.fields, ...fields };
    options.write(`${options.format === "json" ? jsonText(line) : textLine(line)}\n`);
  };
  return {
    error: (event, fields) => write("error", event, fields),
    warn: (event, fields) => write("warn", event, fields),
    info: (event, fields) => write("info", event, fields),
    debug: (event, fields) => write("debug", event, fields),
    child: (fields) => createLogger({ ...options, fields: { ...options.fields, ...fields } }),
  };
}

/** `2026-11-20T10:00:00.000Z info chunk_done table=public.orders chunk=17`. */
function textLine({ time, level, event, ...fields }: LogFields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoteField(String(value))}`);
  return redact([time, level, event, ...words].join(" "));
}

/** A line is one line, whatever a message holds. */
function quoteField(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
