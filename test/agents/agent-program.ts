/** An agent in a process of its own: the parent calls the methods of {@link Agent} by messages. */
import { Agent, type AgentSetup } from './agent.ts';

export type AgentMethod = 'addPod' | 'ports' | 'removePod' | 'setPolicies' | 'setPlan' | 'totals' | 'connections' | 'warnings' | 'usage' | 'drain';
export type AgentCall = { readonly id: number } & ({ readonly method: 'start'; readonly args: readonly [AgentSetup] } | { readonly method: AgentMethod; readonly args: readonly unknown[] } | { readonly method: 'stop'; readonly args: readonly [] });
export type AgentReply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

let agent: Agent | undefined;

async function answer(call: AgentCall): Promise<unknown> {
  if (call.method === 'start') {
    agent = await Agent.start(call.args[0]);
    return undefined;
  }
  if (agent === undefined) throw new Error('not started');
  if (call.method === 'stop') return await agent[Symbol.asyncDispose]();
  return await (agent[call.method] as (...args: readonly unknown[]) => unknown)(...call.args);
}

const send = (reply: AgentReply): void => void process.send?.(reply);

process.on('message', (call: AgentCall) => {
  answer(call).then((value) => send({ id: call.id, value }), (error: unknown) => send({ id: call.id, error: String(error) }));
});
// With the parent goes what it was for. A process can not exit while its data threads wait for events.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
