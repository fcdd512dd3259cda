/** libpq's target_session_attrs: which role a server must have for a connection to be kept. */
export type SessionAttrs = "any" | "read-write" | "read-only" | "primary" | "standby" | "prefer-standby";

export const SESSION_ATTRS: readonly SessionAttrs[] = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];

/** What a new session says about its server. */
export interface ServerRole {
  readonly inRecovery: boolean;
  /** Transactions are read-only by default: a standby, or default_transaction_read_only. */
  readonly readOnly: boolean;
}

/** The rules of libpq (manual: "Parameter Key Words", target_session_attrs). `prefer-standby` is two rounds: standby, then any. */
export function acceptsRole(attrs: SessionAttrs, role: ServerRole): boolean {
  switch (attrs) {
    case "read-write":
      return !role.readOnly;
    case "read-only":
      return role.readOnly;
    case "primary":
      return !role.inRecovery;
    case "standby":
      return role.inRecovery;
    case "any":
    case "prefer-standby":
      return true;
  }
}
