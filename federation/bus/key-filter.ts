/** Whether a key matches a NATS subject filter: `*` is one token, a last `>` one or more. */
export function keyMatches(filter: string, key: string): boolean {
  const pattern = filter.split('.');
  const tokens = key.split('.');
  for (const [index, wanted] of pattern.entries()) {
    if (wanted === '>' && index === pattern.length - 1) return tokens.length > index;
    const token = tokens[index];
    if (token === undefined || (wanted !== '*' && wanted !== token)) return false;
  }
  return tokens.length === pattern.length;
}
