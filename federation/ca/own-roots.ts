import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type from 'typebox';
import { Value } from 'typebox/value';
import type { CaValues } from './ca-layout.ts';
import type { RootMaterial } from './own-root.ts';

/**
 * Where a change of roots stands. `distributing`: both are told, the old one signs. `retiring`: both are told, the new
 * one signs, and what the old one has signed ends.
 */
export type Rotation =
  | { readonly kind: 'none' }
  | { readonly kind: 'distributing'; readonly sinceMs: number; readonly next: RootMaterial }
  | { readonly kind: 'retiring'; readonly sinceMs: number; readonly previousPem: string };

/** The roots that the service has made for itself: one, or two while one follows the other. */
export interface OwnRoots {
  /** The one that signs. */
  readonly current: RootMaterial;
  readonly rotation: Rotation;
}

const PhaseSchema = Type.Object({
  phase: Type.Union([Type.Literal('distributing'), Type.Literal('retiring')]),
  /** Milliseconds since 1970. */
  since: Type.Integer({ minimum: 0 }),
}, { additionalProperties: false });

/** Keys of the Secret beside those of cert-manager's layout. */
const KEY = { phase: 'rotation.json', next: 'next.crt', nextKey: 'next.key', previous: 'previous.crt' } as const;

/** The Secret's values: the whole state, so that whoever reads it next goes on where the last one stopped. */
export function encodeOwnRoots({ current, rotation }: OwnRoots): CaValues {
  const own = { 'tls.crt': current.certificatePem, 'tls.key': current.keyPem };
  if (rotation.kind === 'none') return own;
  const phase = { [KEY.phase]: JSON.stringify({ phase: rotation.kind, since: rotation.sinceMs }) };
  return rotation.kind === 'distributing' ? { ...own, ...phase, [KEY.next]: rotation.next.certificatePem, [KEY.nextKey]: rotation.next.keyPem } : { ...own, ...phase, [KEY.previous]: rotation.previousPem };
}

/** What the certificates and keys are is for who uses them to find out. */
export function parseOwnRoots(values: CaValues): Result<OwnRoots> {
  const current = { certificatePem: values['tls.crt'] ?? '', keyPem: values['tls.key'] ?? '' };
  const text = values[KEY.phase];
  if (text === undefined) return ok({ current, rotation: { kind: 'none' } });
  const state = parsePhase(text);
  if (!state.ok) return state;
  const { phase, since: sinceMs } = state.value;
  const { [KEY.next]: next, [KEY.nextKey]: nextKey, [KEY.previous]: previousPem } = values;
  if (phase === 'distributing') return next && nextKey ? ok({ current, rotation: { kind: phase, sinceMs, next: { certificatePem: next, keyPem: nextKey } } }) : err(`${KEY.phase} says ${phase}, but ${KEY.next} or ${KEY.nextKey} is missing`);
  return previousPem ? ok({ current, rotation: { kind: phase, sinceMs, previousPem } }) : err(`${KEY.phase} says ${phase}, but ${KEY.previous} is missing`);
}

function parsePhase(text: string): Result<{ readonly phase: 'distributing' | 'retiring'; readonly since: number }> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err(`${KEY.phase} is not JSON`);
  }
  return Value.Check(PhaseSchema, value) ? ok(value) : err(`${KEY.phase} is not the state of a rotation`);
}

/** PEM of all that are told, the one that signs first. */
export function rootsPemOf({ current, rotation }: OwnRoots): string {
  const other = rotation.kind === 'distributing' ? rotation.next.certificatePem : rotation.kind === 'retiring' ? rotation.previousPem : '';
  return `${current.certificatePem}\n${other}`;
}
