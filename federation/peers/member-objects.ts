import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { ObjectSources } from '../clusterset/object-sources.ts';
import { isOurs } from '../kubernetes/types.ts';
import { type Leadership, whileLeading } from '../leadership/leadership.ts';
import { covers } from '../outputs/changes.ts';
import type { Writer } from '../outputs/writer.ts';
import type { MemberEvents } from './member-events.ts';
import { type MemberObject, memberObject, memberStatus } from './member-object.ts';
import type { MemberReport } from './member-report.ts';

export interface MemberObjectsOptions {
  readonly objects: Pick<ObjectSources, 'at' | 'list' | 'versionOf'>;
  readonly writer: Pick<Writer, 'write' | 'applyStatus'>;
  /** Of all members, this cluster among them; empty before it has joined. */
  readonly reports: () => readonly MemberReport[];
  /** Whether no member can be unknown. */
  readonly isWhole: () => boolean;
  readonly leadership: Leadership;
  readonly events: Pick<MemberEvents, 'tell'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** A look at everything, though nobody said that anything changed: it has what the API server refused, and when others were heard. */
const LOOK_MS = 10_000;
/** Between two looks, however much changes. */
const REST_MS = 500;

/** Keeps an object for each member, beside all other work. Does nothing where the kind is not defined: Helm does not add definitions when it upgrades. */
export class MemberObjects {
  readonly #options: MemberObjectsOptions;
  readonly #told = new Map<string, MemberReport>();
  #changed = Promise.withResolvers<void>();

  constructor(options: MemberObjectsOptions) {
    this.#options = options;
  }

  /** Something of a member changed. */
  look(): void {
    this.#changed.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { leadership } = this.#options;
    await whileLeading(leadership, signal, async (term) => {
      while (!term.aborted) {
        await this.#write(term);
        await waitFor(REST_MS, term);
        await eitherOrAfter(this.#changed.promise, LOOK_MS, term);
        this.#changed = Promise.withResolvers();
      }
    });
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { objects, writer, reports, isWhole, events } = this.#options;
    if (objects.versionOf('members') === undefined) return;
    const all = reports();
    for (const report of all) {
      if (signal.aborted) return;
      const known = objects.at<MemberObject>('members', `/${report.cluster}`);
      if (known !== undefined && !isOurs(known)) continue;
      const status = memberStatus(report, known?.status, new Date());
      if (known === undefined && !(await writer.write({ verb: 'apply', object: memberObject(report.cluster) }))) continue;
      if (!covers(known?.status, status)) await writer.applyStatus('members', { ...memberObject(report.cluster), status } as MemberObject);
      events.tell(report, this.#told.get(report.cluster), known?.metadata?.uid);
      this.#told.set(report.cluster, report);
    }
    if (!isWhole()) return;
    const names = new Set(all.map(({ cluster }) => cluster));
    for (const object of objects.list<MemberObject>('members')) {
      if (!signal.aborted && isOurs(object) && !names.has(object.metadata?.name ?? '')) await writer.write({ verb: 'delete', object });
    }
  }
}
