/** One word of a command line to paste, quoted where a shell would take it for something else. */
export function shellWord(text: string): string {
  return /^[\w.,:/@%+=-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
