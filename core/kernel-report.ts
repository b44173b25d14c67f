/** What an agent tells of its node's kernel, and the command of it: the one form of `agent --check --json` and of the agent's admin port. */
import * as Type from 'typebox';
import { Check } from 'typebox/value';
import { err, ok, type Result } from './result.ts';

const TEXT = Type.String({ maxLength: 1000 });
const MAX_FEATURES = 1000;

const KernelReportSchema = Type.Object({
  /** As uname(2) tells it. */
  release: TEXT,
  features: Type.Array(
    Type.Object({
      /** As linux/bpf.h has it. */
      name: TEXT,
      /** The version of Linux that brought it; distributions may have it earlier. */
      since: TEXT,
      purpose: TEXT,
      isThere: Type.Boolean(),
    }),
    { maxItems: MAX_FEATURES },
  ),
});

export type KernelReport = Type.Static<typeof KernelReportSchema>;

/** Fields that it does not know come from newer agents. */
export function parseKernelReport(text: string): Result<KernelReport> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('not JSON');
  }
  return Check(KernelReportSchema, value) ? ok(value) : err('not a report of a kernel');
}

export const missingOf = ({ features }: KernelReport): KernelReport['features'] => features.filter(({ isThere }) => !isThere);
