/** The last words of a container, which Kubernetes keeps with the pod's status: for whoever may read pods and no logs. */
import { LandbridgeError } from './errors.ts';

/** Where the kubelet reads them (Pod API, terminationMessagePath); a file that is there in containers only. */
export const TERMINATION_MESSAGE_FILE = '/dev/termination-log';
/** The kubelet keeps no more of it. */
const MAX_BYTES = 4096;

export interface LastWords {
  readonly code: string;
  readonly message: string;
}

export function terminationMessage(thrown: unknown): string {
  const { code, message } = LandbridgeError.from(thrown);
  for (let length = message.length; ; length = Math.floor(length * 0.9)) {
    const text = JSON.stringify({ code, message: message.slice(0, length) });
    if (Buffer.byteLength(text) <= MAX_BYTES || length === 0) return text;
  }
}

/** Undefined where something else wrote it, or nothing. */
export function parseTerminationMessage(text: string): LastWords | undefined {
  if (text.length > MAX_BYTES) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Of a runtime, or of a program that is no part of this.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('code' in value) || !('message' in value)) return undefined;
  const { code, message } = value;
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined;
}
