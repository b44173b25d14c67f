import { secretConflict, type SecretStore, type StoredSecret } from './secret-store.ts';

/** Forgets everything with the process; for tests. */
export class MemorySecretStore implements SecretStore {
  readonly #secrets = new Map<string, StoredSecret>();
  readonly #configMaps = new Map<string, Readonly<Record<string, string>>>();
  #version = 0;

  async read(name: string): Promise<StoredSecret | undefined> {
    return this.#secrets.get(name);
  }

  async write(name: string, values: Readonly<Record<string, string>>, resourceVersion: string | undefined): Promise<void> {
    if (this.#secrets.get(name)?.resourceVersion !== resourceVersion) throw secretConflict(name);
    this.#version += 1;
    this.#secrets.set(name, { values: { ...values }, resourceVersion: String(this.#version) });
  }

  /** As an administrator may; the service itself has no right to. */
  remove(name: string): void {
    this.#secrets.delete(name);
  }

  async writeConfigMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    this.#configMaps.set(name, { ...data });
  }

  async readConfigMap(name: string): Promise<Readonly<Record<string, string>> | undefined> {
    return this.configMap(name);
  }

  configMap(name: string): Readonly<Record<string, string>> | undefined {
    return this.#configMaps.get(name);
  }
}
