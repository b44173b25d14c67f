import { err, ok, type Result } from '@landbridge/core/result.ts';
import { integer, object, text, texts } from '../kubernetes/shape.ts';

/** A Lease of coordination.k8s.io/v1, as far as it is read here. */
export interface Lease {
  readonly name: string;
  /** Another one after each write. */
  readonly version: string;
  /** Empty where nobody holds it. */
  readonly holder: string;
  /** For how long after a renewal the holder relies on it. */
  readonly durationMs: number;
  /** How often it went to another holder. */
  readonly transitions: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Of a holder that says nothing, or what makes no sense. */
export const DEFAULT_DURATION_MS = 15_000;
/** A holder that asks for more would keep all others out for as long after its end. */
export const MAX_DURATION_MS = 5 * 60_000;
/** `leaseTransitions` is a 32-bit integer. */
const MAX_TRANSITIONS = 2 ** 31 - 1;

const shape = object({
  metadata: object({ name: text, resourceVersion: text, annotations: texts() }),
  spec: object({ holderIdentity: text, leaseDurationSeconds: integer, leaseTransitions: integer }),
});

/** Reads what an API server tells. */
export function parseLease(value: unknown): Result<Lease> {
  const { metadata = {}, spec = {} } = shape(value) ?? {};
  const { name = '', resourceVersion = '', annotations = {} } = metadata;
  if (name === '' || resourceVersion === '') return err('a Lease without a name or a version');
  const { holderIdentity: holder = '', leaseDurationSeconds = 0, leaseTransitions = 0 } = spec;
  return ok({
    name,
    version: resourceVersion,
    holder,
    durationMs: leaseDurationSeconds > 0 ? Math.min(leaseDurationSeconds * 1000, MAX_DURATION_MS) : DEFAULT_DURATION_MS,
    transitions: leaseTransitions >= 0 && leaseTransitions < MAX_TRANSITIONS ? leaseTransitions : 0,
    annotations,
  });
}
