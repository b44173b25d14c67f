/** Entry of a data thread: its loop blocks, so that the thread has no event loop of Node.js besides. */
import { parentPort, workerData } from 'node:worker_threads';
import { collectGarbage } from '@landbridge/native/resident-memory.ts';
import { threadId } from '@landbridge/native/thread-precedence.ts';
import { EventLoop, type Interrupt } from '../hbone/event-loop.ts';
import { DataThread, type PostMessage } from './data-thread.ts';
import type { ConnectionTuning, ToThread } from './thread-messages.ts';

export interface ThreadSetup {
  readonly tuning: ConnectionTuning;
  /** eventfd by which the main thread says that messages wait. */
  readonly waker: number;
  /** Set where messages are not to wait for the end of a round. */
  readonly interrupt: Interrupt;
}

/** For the thread as such, not for its connections. */
export interface CollectGarbage {
  readonly kind: 'collect-garbage';
}

const { tuning, waker, interrupt } = workerData as ThreadSetup;
const port = parentPort;
if (port === null) throw new Error('a data thread is started by DataPlane');
const post: PostMessage = (message) => port.postMessage(message);
const loop = new EventLoop();
const thread = new DataThread(loop, tuning, post);
loop.follow(port, waker, interrupt, (message) => {
  const told = message as ToThread | CollectGarbage;
  if (told.kind === 'collect-garbage') collectGarbage();
  else thread.handle(told);
});
post({ kind: 'ready', thread: threadId() });
loop.run();
