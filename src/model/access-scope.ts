/** What of who owns things, and of who may do what with them, is to be at the target as at the source. */
export interface AccessScope {
  readonly owners: boolean;
  readonly privileges: boolean;
}
