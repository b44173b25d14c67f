/** A watch that outlives connections, consumers and the bucket. */
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { BucketDelivery, STREAM } from './bucket-delivery.ts';
import type { BusEvent } from './bus.ts';
import type { NatsLink, Session } from './nats-link.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { RETRY } from './request-times.ts';

export interface BucketWatchOptions {
  readonly link: NatsLink;
  readonly filter: string;
  readonly inboxPrefix: string | undefined;
  readonly heartbeatMs: number;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** Makes the bucket if that is this process' task. */
  readonly ensureBucket: (session: Session, timeoutMs: number) => Promise<void>;
}

/** How far the watch has read, and in which life of the bucket. */
interface Progress {
  /** Creation time of the stream: another one is another bucket. */
  readonly created: string;
  revision: number;
  current: boolean;
}

export async function* watchBucket(options: BucketWatchOptions, signal: AbortSignal): AsyncGenerator<BusEvent, void, undefined> {
  const { link, log, filter } = options;
  let progress: Progress | undefined;
  let failures = 0;
  while (!signal.aborted && !link.closed) {
    let delivery: BucketDelivery | undefined;
    try {
      const session = await link.session(signal);
      await options.ensureBucket(session, link.answerTimeout(failures));
      const jsm = await jetstreamManager(session.connection, { checkAPI: false, timeout: link.answerTimeout(failures) });
      const before = await jsm.streams.info(STREAM);
      if (progress !== undefined && isLost(progress, before)) {
        log.warn({ filter }, 'the bucket is another one than before, reading it from the start');
        yield { kind: 'restart' };
        progress = undefined;
      }
      delivery = await openDelivery(options, session, jsm, progress);
      // Between the two requests the bucket may have been replaced: then the consumer stands on a bucket that was not looked at.
      if ((await jsm.streams.info(STREAM)).created !== before.created) continue;
      progress ??= { created: before.created, revision: 0, current: false };
      for (;;) {
        const next = await delivery.next(progress.current, signal);
        if (next === 'current') {
          progress.current = true;
          yield { kind: 'current' };
        } else if ('ended' in next) {
          log.debug({ filter, reason: next.ended }, 'the delivery ended');
          if (next.isSilent) void link.prove(session);
          break;
        } else {
          failures = 0;
          progress.revision = next.revision;
          if (next.value !== undefined) yield { kind: 'entry', key: next.key, value: next.value, revision: next.revision };
        }
      }
    } catch (thrown) {
      if (signal.aborted || link.closed) return;
      log.debug({ err: thrown, filter }, 'can not watch the bucket, will try again');
      if (thrown instanceof errors.TimeoutError && link.current !== undefined) void link.prove(link.current);
    } finally {
      await delivery?.[Symbol.asyncDispose]();
    }
    await waitFor(retryDelay(failures, RETRY), signal);
    failures += 1;
  }
}

/** A revision that is behind what was read means that the hub came back with an older store. */
function isLost(progress: Progress, info: StreamInfo): boolean {
  return info.created !== progress.created || info.state.last_seq < progress.revision;
}

async function openDelivery(options: BucketWatchOptions, session: Session, jsm: JetStreamManager, progress: Progress | undefined): Promise<BucketDelivery> {
  const { link, filter, inboxPrefix, heartbeatMs } = options;
  return BucketDelivery.open(session, jsm, { filter, inboxPrefix, heartbeatMs, patienceMs: () => link.patienceMs, from: progress === undefined ? undefined : progress.revision + 1 });
}
