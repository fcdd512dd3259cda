/**
 * Whether two servers print the same query. From 16 on a column of a query's only table goes without that table's name, before it has it
 * (release notes of 16; ruleutils.c). All else of the text being equal, FROM is, and a bare column can only be its only table's: so a qualifier that one
 * text has and the other lacks is no difference, and every other word is one.
 */
export function isSameQuery(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [tokens(one), tokens(other)];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (hasExtraQualifier(a, i, b, j)) i += 2;
    else if (hasExtraQualifier(b, j, a, i)) j += 2;
    if (a[i] !== b[j]) return false;
    i += 1;
    j += 1;
  }
  return i === a.length && j === b.length;
}

/** At `i` stands `table.column`, at `j` the column alone. */
function hasExtraQualifier(long: readonly string[], i: number, short: readonly string[], j: number): boolean {
  return isName(long[i]) && long[i + 1] === "." && long[i + 2] === short[j] && short[j + 1] !== "." && short[j - 1] !== ".";
}

function isName(token: string | undefined): boolean {
  return token !== undefined && /^["A-Za-z_\u0080-\uffff]/.test(token);
}

/** Strings, quoted names, words and numbers, and signs one by one. */
function tokens(sql: string): readonly string[] {
  return sql.match(/[eE]?'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w$\u0080-\uffff]+|[^\s]/g) ?? [];
}
