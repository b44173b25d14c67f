/** Where heartbeats go: a plain subject for each cluster, which nothing stores. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { BEAT_SUBJECTS, beatSubject } from '../join/hub-users.ts';
import type { NatsBus } from './nats-bus.ts';

export interface BeatChannel {
  readonly connected: boolean;
  /** Does not wait; what can not be sent now is not sent later. */
  send(bytes: Uint8Array): void;
  /** Calls back for each beat that anybody sends, this cluster included. Runs until the signal aborts. */
  listen(heard: (cluster: string, bytes: Uint8Array) => void, signal: AbortSignal): Promise<void>;
}

export function natsBeatChannel(bus: NatsBus, cluster: string, log: Pick<Logger, 'warn'>): BeatChannel {
  const subject = beatSubject(cluster);
  const prefixLength = subject.length - cluster.length;
  return {
    get connected() {
      return bus.state().kind === 'connected';
    },
    send(bytes) {
      bus.publishNow(subject, bytes);
    },
    async listen(heard, signal) {
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          const connection = await bus.connection(signal);
          const subscription = connection.subscribe(BEAT_SUBJECTS);
          const stop = (): void => subscription.unsubscribe();
          signal.addEventListener('abort', stop, { once: true });
          try {
            for await (const message of subscription) {
              failures = 0;
              heard(message.subject.slice(prefixLength), message.data);
            }
          } finally {
            signal.removeEventListener('abort', stop);
          }
        } catch (thrown) {
          // Credentials of a cluster that joined before there were beats do not allow it: then nothing is concluded of anybody.
          if (!signal.aborted && failures === 0) log.warn({ err: LandbridgeError.from(thrown) }, 'can not listen to heartbeats, will try again');
        }
        await waitFor(retryDelay(failures, { mostMs: 15_000 }), signal);
      }
    },
  };
}
