import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { exportConditions, type Publication } from '../conditions/export-conditions.ts';
import { importConditions } from '../conditions/import-conditions.ts';
import { DueTimer } from '../consent/due-timer.ts';
import { type Leadership, whileLeading } from '../leadership/leadership.ts';
import { isOurs, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import type { Constituent } from '../merge/merge.ts';
import { changes, covers, type Knowledge } from '../outputs/changes.ts';
import { desiredObjects, type ExistingObjects } from '../outputs/desired.ts';
import type { IstioShape } from '../outputs/istio/istio-context.ts';
import { SERVICE_ENTRY_VERSION } from '../outputs/istio/service-entry.ts';
import { type PlannedChange, plannedChanges } from '../outputs/plan.ts';
import type { Writer } from '../outputs/writer.ts';
import type { LabelledServices } from '../exports/labelled-services.ts';
import { metrics } from '../metrics.ts';
import { exportedMetadata } from '../registry/exported-metadata.ts';
import { exportValidity } from '../registry/exports.ts';
import type { ClusterRegistry } from './cluster-registry.ts';
import { isHeld } from './held-imports.ts';
import type { ObjectSources } from './object-sources.ts';
import { OutputTurns, rewritesOf, type Turn } from './output-turns.ts';

const RETRY_MS = 1000;
/** As long as what waits for its turn has nothing to write, nothing else of this process has its own. */
const SLICE_MS = 8;

export interface ImportOutputsOptions {
  readonly objects: ObjectSources;
  readonly registry: ClusterRegistry;
  readonly writer: Writer;
  readonly labelled: Pick<LabelledServices, 'change' | 'due'>;
  readonly knowledge: () => Knowledge;
  /** The name of this cluster. */
  readonly cluster: string;
  /** Of an export, by `<namespace>/<name>`. */
  readonly publicationOf: (key: string) => Publication;
  readonly istioShape: IstioShape;
  readonly leadership: Leadership;
  readonly log: Logger;
}

/**
 * Writes what follows from imports and exports, a few of them at a time, beside everything else: an API server that takes its
 * time makes nobody wait but those who look there. What is to be written is known by its key only, and looked up when its
 * turn comes: what changes again before that is written once. One that changes again meanwhile has its next turn after all others,
 * and one that does so all the time in its time.
 * What agents wait for is written first, what only people read last ({@link OutputTurns}).
 * A replica that does not lead writes nothing, and looks at everything once it does.
 */
export class ImportOutputs {
  readonly #options: ImportOutputsOptions;
  readonly #due = new OutputTurns({ lacksAddress: (key) => this.#lacksAddress(key), isGone: (key) => !this.#options.registry.imports.has(key) });
  readonly #timer = new DueTimer(() => this.#added.resolve());
  /** Those that are being written: two writes of one import could arrive the other way round. */
  readonly #writing = new Map<string, Promise<void>>();
  #added = Promise.withResolvers<void>();

  constructor(options: ImportOutputsOptions) {
    this.#options = options;
  }

  /** Something about these changed. */
  add(keys: Iterable<string>): void {
    if (!this.#options.leadership.isLeading) return;
    const nowMs = performance.now();
    for (const key of keys) this.#due.add(key, nowMs);
    this.#count();
    if (this.#due.size > 0) this.#added.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { leadership, registry, labelled } = this.#options;
    await whileLeading(leadership, signal, async (term) => {
      this.#due.clear();
      this.add(registry.keys());
      this.add(labelled.due());
      await this.#write(term);
    });
  }

  plan(others: readonly Constituent[]): readonly PlannedChange[] {
    const { registry } = this.#options;
    return plannedChanges(registry.mergedWith(others, Date.now()), this.#existing(), [...registry.keys()].flatMap((key) => registry.own.of(key)));
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { writer } = this.#options;
    const wake = (): void => this.#added.resolve();
    signal.addEventListener('abort', wake, { once: true });
    let until = performance.now() + SLICE_MS;
    while (!signal.aborted) {
      if (performance.now() >= until) {
        await new Promise(setImmediate);
        until = performance.now() + SLICE_MS;
        continue;
      }
      const next = this.#writing.size < writer.writesAtOnce ? this.#due.take(this.#writing, performance.now()) : undefined;
      if (next === undefined) {
        this.#count();
        // While all are busy that may write, whoever ends wakes this.
        this.#timer.set(this.#writing.size < writer.writesAtOnce ? this.#due.dueMs(this.#writing) : undefined, performance.now(), signal);
        await this.#added.promise;
        this.#added = Promise.withResolvers();
        continue;
      }
      const { key } = next;
      const written = this.#writeOne(next, signal).finally(() => {
        this.#writing.delete(key);
        wake();
      });
      this.#writing.set(key, written);
    }
    // Who leads next may not find one of these still under way.
    await Promise.all(this.#writing.values());
  }

  #count(): void {
    metrics.outputsWaiting.set(this.#due.size + this.#writing.size);
    const nowMs = performance.now();
    metrics.outputsWaitingSeconds.set((nowMs - (this.#due.sinceMs ?? nowMs)) / 1000);
  }

  /** Its name leads nowhere yet. */
  #lacksAddress(key: string): boolean {
    const { registry } = this.#options;
    const imported = registry.imports.get(key);
    return imported !== undefined && imported.type === 'ClusterSetIP' && registry.derivedService(imported) === undefined;
  }

  async #writeOne(turn: Turn, signal: AbortSignal): Promise<void> {
    if (!(await this.#attempt(turn))) void waitFor(RETRY_MS, signal).then(() => this.add([turn.key]));
  }

  async #attempt({ key, what }: Turn): Promise<boolean> {
    try {
      if (what === 'status') {
        const written = [await this.#writeImportStatus(key), await this.#writeExportStatus(key)];
        return written.every((isWritten) => isWritten);
      }
      const isExported = await this.#writeLabelExport(key);
      const { isComplete, count, rewrites } = await this.#writeObjects(key);
      this.#due.rewrote(key, rewrites, performance.now());
      // One that has just been made says that it has no address yet, and soon that it has.
      if (!isComplete || count === 0 || !this.#lacksAddress(key)) this.#due.addStatus(key);
      return isExported && isComplete;
    } catch (thrown) {
      this.#options.log.error({ err: thrown, stack: thrown instanceof Error ? thrown.stack : undefined, import: key }, 'an import could not be written');
      return false;
    }
  }

  async #writeLabelExport(key: string): Promise<boolean> {
    const change = this.#options.labelled.change(key);
    return change === undefined || (await this.#options.writer.write(change));
  }

  /** `count`: of writes that were tried; `rewrites`: those of them that count as {@link rewritesOf} says. */
  async #writeObjects(key: string): Promise<{ readonly isComplete: boolean; readonly count: number; readonly rewrites: number }> {
    const { registry, writer, knowledge, log } = this.#options;
    const imported = registry.imports.get(key);
    const { objects: desired, skipped } = desiredObjects(imported === undefined ? [] : [imported], this.#existing());
    for (const [each, reason] of skipped) log.debug({ import: each, reason }, 'not imported');
    const own = registry.own.of(key);
    const due = changes(desired, own, knowledge()).filter((change) => !isHeld(change, registry.held));
    const rewrites = due.length === 0 ? 0 : rewritesOf(due, own, this.#lacksAddress(key));
    let isComplete = true;
    for (const change of due) isComplete = (await writer.write(change)) && isComplete;
    return { isComplete, count: due.length, rewrites };
  }

  /** For Istio, which has its own definition: agents are told of imports without. */
  get isIstioThere(): boolean {
    const { objects } = this.#options;
    return objects.versionOf('serviceEntries') === SERVICE_ENTRY_VERSION && !objects.isOurs('serviceEntries');
  }

  #existing(): ExistingObjects {
    const { registry, cluster, istioShape } = this.#options;
    return {
      cluster,
      ...registry.existing,
      serviceEntries: this.isIstioThere,
      istio: { shape: istioShape, cluster, rulesOf: (key) => registry.rulesOf(key), gatewaysOf: (name) => registry.gateways.get(name)?.gateways ?? [] },
    };
  }

  async #writeImportStatus(key: string): Promise<boolean> {
    const { objects, registry, writer } = this.#options;
    const object = objects.at<ServiceImport>('imports', key);
    const imported = registry.imports.get(key);
    if (object === undefined || !isOurs(object) || imported === undefined || registry.held.has(key)) return true;
    const clusters = imported.clusters.map(({ cluster }) => ({ cluster }));
    const conditions = importConditions(object, imported, registry.derivedService(imported), new Date());
    if (conditions === undefined && covers(object.status?.clusters, clusters)) return true;
    return await writer.writeStatus('serviceimports', object, { clusters, ...(conditions === undefined ? {} : { conditions }) });
  }

  async #writeExportStatus(key: string): Promise<boolean> {
    const { objects, registry, writer, publicationOf } = this.#options;
    const object = objects.at<ServiceExport>('exports', key);
    if (object === undefined) return true;
    const conditions = exportConditions(object, {
      validity: exportValidity(registry.local.services.get(key)),
      publication: publicationOf(key),
      // Who differs is not known before all are.
      conflicts: registry.held.has(key) ? undefined : (registry.imports.get(key)?.conflicts ?? []),
      leftOut: exportedMetadata(object).leftOut,
    }, new Date());
    return conditions === undefined || (await writer.writeStatus('serviceexports', object, { conditions }));
  }
}
