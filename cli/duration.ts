import { err, ok, type Result } from '@landbridge/core/result.ts';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
const DURATION = /^([0-9]{1,6})(s|m|h)$/;

/** Seconds of `90s`, `15m` or `1h`. */
export function parseDuration(text: string): Result<number> {
  const parts = DURATION.exec(text);
  if (!parts) return err('It must be a number with s, m or h, such as 15m.');
  const [, amount, unit] = parts as unknown as [string, string, string];
  const seconds = Number(amount) * (SECONDS[unit] as number);
  return seconds > 0 ? ok(seconds) : err('It must be more than nothing.');
}
