import { LandbridgeError } from '@landbridge/core/errors.ts';

export interface StoredSecret {
  readonly values: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
}

/** Secrets and ConfigMaps of the service's own namespace. What can not be read or written otherwise is a retryable LandbridgeError `kubernetes`. */
export interface SecretStore {
  read(name: string): Promise<StoredSecret | undefined>;
  /**
   * Makes a Secret hold exactly these values: a new one where `resourceVersion` is undefined, else exactly that version.
   * @throws LandbridgeError `conflict` (retryable) where somebody else wrote or removed it meanwhile
   */
  write(name: string, values: Readonly<Record<string, string>>, resourceVersion: string | undefined): Promise<void>;
  readConfigMap(name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** Makes a ConfigMap hold exactly these values. */
  writeConfigMap(name: string, data: Readonly<Record<string, string>>): Promise<void>;
}

/** Whether somebody else wrote meanwhile, what is kept in Secrets or of what was made of them. */
export function isConflict(thrown: unknown): boolean {
  return thrown instanceof LandbridgeError && thrown.code === 'conflict';
}

export function secretConflict(name: string, cause?: unknown): LandbridgeError {
  return new LandbridgeError('conflict', `Secret ${name} was written by somebody else meanwhile`, { retryable: true, cause });
}
