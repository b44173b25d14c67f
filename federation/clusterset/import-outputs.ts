import type { KubernetesObject, V1Namespace, V1Service } from '@kubernetes/client-node';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { withCondition } from '../kubernetes/conditions.ts';
import { isOurs, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { changes, covers, type Knowledge } from '../outputs/changes.ts';
import { desiredObjects, type ExistingObjects, importStatus } from '../outputs/desired.ts';
import type { Writer } from '../outputs/writer.ts';
import { exportValidity } from '../registry/exports.ts';
import type { ClusterRegistry } from './cluster-registry.ts';
import { isHeld } from './held-imports.ts';
import type { ObjectSources } from './object-sources.ts';

const RETRY_MS = 1000;

export interface ImportOutputsOptions {
  readonly objects: ObjectSources;
  readonly registry: ClusterRegistry;
  readonly writer: Writer;
  readonly knowledge: () => Knowledge;
  readonly log: Logger;
}

/**
 * Writes what follows from imports and exports, one after the other, beside everything else: an API server that takes its
 * time makes nobody wait but those who look there. What is to be written is known by its key only, and looked up when its turn comes.
 */
export class ImportOutputs {
  readonly #options: ImportOutputsOptions;
  readonly #due = new Set<string>();
  #added = Promise.withResolvers<void>();

  constructor(options: ImportOutputsOptions) {
    this.#options = options;
  }

  /** Something about these changed. */
  add(keys: Iterable<string>): void {
    for (const key of keys) this.#due.add(key);
    if (this.#due.size > 0) this.#added.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#added.resolve();
    signal.addEventListener('abort', wake, { once: true });
    while (!signal.aborted) {
      const [key] = this.#due;
      if (key === undefined) {
        await this.#added.promise;
        this.#added = Promise.withResolvers();
        continue;
      }
      this.#due.delete(key);
      if (!(await this.#attempt(key))) void waitFor(RETRY_MS, signal).then(() => this.add([key]));
    }
  }

  async #attempt(key: string): Promise<boolean> {
    try {
      const written = [await this.#writeObjects(key), await this.#writeImportStatus(key), await this.#writeExportStatus(key)];
      return written.every((isWritten) => isWritten);
    } catch (thrown) {
      this.#options.log.error({ err: thrown, stack: thrown instanceof Error ? thrown.stack : undefined, import: key }, 'an import could not be written');
      return false;
    }
  }

  async #writeObjects(key: string): Promise<boolean> {
    const { registry, writer, knowledge, log } = this.#options;
    const imported = registry.imports.get(key);
    const { objects: desired, skipped } = desiredObjects(imported === undefined ? [] : [imported], this.#existing());
    for (const [each, reason] of skipped) log.debug({ import: each, reason }, 'not imported');
    let complete = true;
    for (const change of changes(desired, registry.own.of(key), knowledge())) {
      if (!isHeld(change, registry.held)) complete = (await writer.write(change)) && complete;
    }
    return complete;
  }

  #existing(): ExistingObjects {
    const { objects } = this.#options;
    return {
      imports: { get: (key) => objects.at<ServiceImport>('imports', key) },
      services: { get: (key) => objects.at<V1Service>('services', key) },
      namespaces: {
        has: (name) => {
          const namespace = objects.at<V1Namespace>('namespaces', `/${name}`);
          return namespace !== undefined && namespace.metadata?.deletionTimestamp === undefined;
        },
      },
      serviceEntries: objects.isDefined('serviceEntries'),
    };
  }

  async #writeImportStatus(key: string): Promise<boolean> {
    const { objects, registry, writer } = this.#options;
    const object = objects.at<ServiceImport>('imports', key);
    const imported = registry.imports.get(key);
    if (object === undefined || !isOurs(object) || imported === undefined || registry.held.has(key)) return true;
    const status = importStatus(imported);
    return covers(object.status, status) || (await writer.writeStatus('serviceimports', object as KubernetesObject, status));
  }

  async #writeExportStatus(key: string): Promise<boolean> {
    const { objects, registry, writer } = this.#options;
    const object = objects.at<ServiceExport>('exports', key);
    if (object === undefined) return true;
    const validity = exportValidity(registry.local.services.get(key));
    const conflicts = registry.imports.get(key)?.conflicts ?? [];
    const now = new Date();
    const { generation } = object.metadata ?? {};
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    let conditions = [...(object.status?.conditions ?? [])];
    for (const condition of [
      validity.valid ? { type: 'Valid', status: 'True', reason: 'Valid', message: '', ...observed } : { type: 'Valid', status: 'False', reason: validity.reason, message: validity.message, ...observed },
      // Who differs is not known before all are.
      ...(registry.held.has(key) ? [] : [conflicts.length === 0 ? { type: 'Conflict', status: 'False', reason: 'NoConflicts', message: '', ...observed } : { type: 'Conflict', status: 'True', reason: 'ClusterConflict', message: conflicts.join('. ').slice(0, 1000), ...observed }]),
    ]) conditions = withCondition(conditions, condition, now) ?? conditions;
    if (JSON.stringify(conditions) === JSON.stringify(object.status?.conditions ?? [])) return true;
    return await writer.writeStatus('serviceexports', object, { conditions });
  }
}
