/**
 * The script that adds a foreign key, with the key left unvalidated (manual: "ALTER TABLE", ADD table_constraint NOT VALID). The statement is the
 * last of the script: pg_restore writes nothing behind it but comments, and none of them ends in a semicolon. Comments are not matched by a
 * pattern, because they quote names, and a name may hold anything.
 */
export function notValid(sql: string): string {
  const end = sql.lastIndexOf(";\n");
  return end === -1 ? sql : `${sql.slice(0, end)} not valid${sql.slice(end)}`;
}
