import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import { createWaker, wake } from '@landbridge/native/epoll.ts';
import { EventLoop, makeInterrupt } from './event-loop.ts';

/** A loop with tasks of one round, the first of which has a message come. */
function round(interrupts: boolean): readonly string[] {
  using loop = new EventLoop();
  const { port1, port2 } = new MessageChannel();
  const [waker, interrupt] = [createWaker(), makeInterrupt()];
  const order: string[] = [];
  loop.follow(port2, waker, interrupt, (message) => order.push(String(message)));
  const say = (text: string): void => {
    port1.postMessage(text);
    if (interrupts) Atomics.store(interrupt, 0, 1);
    wake(waker);
  };
  loop.schedule({ isScheduled: false, run: () => { order.push('first task'); say('one'); say('two'); } });
  loop.schedule({ isScheduled: false, run: () => void order.push('second task') });
  for (let i = 0; i < 3; i++) loop.runOnce(0);
  port1.close();
  loop.close(waker);
  return order;
}

test('messages wait for the end of the round in which they come', (t) => {
  t.deepEqual(round(false), ['first task', 'second task', 'one', 'two']);
});

test('a message that interrupts is heard before the next task, behind those that came before it, and once', (t) => {
  t.deepEqual(round(true), ['first task', 'one', 'two', 'second task']);
});
