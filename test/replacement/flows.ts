/** Connections of every kind, over every way that an agent carries them, between programs of their own. */
import path from 'node:path';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import type { AgentNodes } from './agent-nodes.ts';
import type { ClientReport } from './flow-client.ts';
import { type EndReport, faultsOf } from './flow-ends.ts';

const OUTSIDE_PORT = 9090;
/** Numbers of connections of one way. */
const PER_WAY = 100_000;
const SERVER = path.join(import.meta.dirname, 'flow-server.ts');
const CLIENT = path.join(import.meta.dirname, 'flow-client.ts');

interface Way {
  readonly name: string;
  readonly start: (count: number) => Promise<Program>;
}

export interface FlowsReport {
  readonly flows: number;
  /** What was wrong, by how often; by way. */
  readonly faults: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly bytes: number;
  /** From a question to its answer. */
  readonly longestMs: number;
}

/** Connections from and to the pods `client`, `server` (west) and `peer` (east), and one of another network, through the agent of west. */
export class Flows {
  readonly #servers: readonly Program[];
  readonly #ways: readonly Way[];
  #clients: readonly (readonly [way: string, program: Program])[] = [];
  #next = 0;

  private constructor(servers: readonly Program[], ways: readonly Way[]) {
    this.#servers = servers;
    this.#ways = ways;
  }

  /** Pods of the mesh must be served; without `plainOut` those go that agents carry only where they are told to. `far`: a pod of another network, where there is one that gateways lead to. */
  static async open(nodes: AgentNodes, { plainOut = false, far: farName }: { readonly plainOut?: boolean; readonly far?: string } = {}): Promise<Flows> {
    const { mesh } = nodes;
    const [west, east, client, server, peer] = [mesh.node('west'), mesh.node('east'), mesh.pod('client'), mesh.pod('server'), mesh.pod('peer')];
    const far = farName === undefined ? undefined : mesh.pod(farName);
    const onHost = (node: typeof west) => ({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') });
    const serving = (port: number) => [process.execPath, SERVER, String(port)];
    const servers = [await server.start(serving(TARGET_PORT)), await peer.start(serving(TARGET_PORT)), await startProgram(onHost(east), serving(OUTSIDE_PORT)), ...(far === undefined ? [] : [await far.start(serving(TARGET_PORT))])];
    const flows: Flows = new Flows(servers, [
      { name: 'tunnel out', start: async (count) => await client.start(flows.#calling(nodes.service('peer'), SERVICE_PORT, count)) },
      { name: 'tunnel in', start: async (count) => await peer.start(flows.#calling(nodes.service('server'), SERVICE_PORT, count)) },
      { name: 'same node', start: async (count) => await client.start(flows.#calling(nodes.service('server'), SERVICE_PORT, count)) },
      { name: 'plain in', start: async (count) => await startProgram(onHost(west), flows.#calling(server.address, TARGET_PORT, count)) },
      ...(far === undefined ? [] : [
        { name: 'gateway out', start: async (count: number) => await client.start(flows.#calling(nodes.imported(far.name), SERVICE_PORT, count)) },
        { name: 'gateway in', start: async (count: number) => await far.start(flows.#calling(nodes.imported('server'), SERVICE_PORT, count)) },
      ]),
      ...(plainOut ? [{ name: 'plain out', start: async (count: number) => await client.start(flows.#calling(east.wan, OUTSIDE_PORT, count)) }] : []),
    ]);
    return flows;
  }

  get ways(): number {
    return this.#ways.length;
  }

  #calling(host: string, port: number, count: number): readonly string[] {
    const first = this.#next;
    this.#next += PER_WAY;
    return [process.execPath, CLIENT, host, String(port), String(first), String(count)];
  }

  /** Opens as many of each way. */
  async begin(countPerWay: number): Promise<void> {
    this.#clients = await Promise.all(this.#ways.map(async ({ name, start }) => [name, await start(countPerWay)] as const));
  }

  /** The longest time from a question to its answer since the last time. */
  async longestMs(): Promise<number> {
    return Math.max(...(await this.#ask('SIGHUP')));
  }

  /** Once all that have not failed go on: how many have. */
  async failed(): Promise<number> {
    return (await this.#ask('SIGUSR2')).reduce((sum, count) => sum + count, 0);
  }

  async #ask(signal: NodeJS.Signals): Promise<readonly number[]> {
    return await Promise.all(this.#clients.map(async ([, program]) => {
      process.kill(program.pid, signal);
      return Number(await program.line());
    }));
  }

  /** Lets all come to their end, and says what both ends of each have seen. */
  async finish(): Promise<FlowsReport> {
    await Promise.all(this.#clients.map(async ([, program]) => {
      process.kill(program.pid, 'SIGTERM');
      await program.line();
    }));
    const ends = this.#servers.map(async (program) => {
      process.kill(program.pid, 'SIGHUP');
      return JSON.parse(await program.line()) as readonly EndReport[];
    });
    const clients = await Promise.all(this.#clients.map(async ([way, program]) => [way, JSON.parse(await program.line()) as ClientReport] as const));
    const servers = (await Promise.all(ends)).flat();
    this.#clients = [];
    const reports = clients.flatMap(([, report]) => report.ends);
    return {
      flows: reports.length,
      faults: Object.fromEntries(clients.map(([way, report]) => [way, faultsOf(report.ends, servers)] as const).filter(([, faults]) => Object.keys(faults).length > 0)),
      bytes: [...reports, ...servers].reduce((sum, { received }) => sum + received, 0),
      longestMs: Math.max(...clients.map(([, report]) => report.longestMs)),
    };
  }
}

/** Connections with which something is wrong. */
export const brokenOf = ({ faults }: Pick<FlowsReport, 'faults'>): number => Object.values(faults).flatMap((byFault) => Object.values(byFault)).reduce((sum, count) => sum + count, 0);
