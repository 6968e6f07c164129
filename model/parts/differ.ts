/**
 * Whether two members of a sort differ. All members of a sort have one type, so a plain `!==` would tell TypeScript that both
 * cannot be there.
 */
export function differ<T>(one: T, other: T): boolean {
  return one !== other;
}
