/** Programs that run in pods of a trial, as command lines. */

/** What the server said or the code of the error, by `HOST PORT`. */
export type Outcomes = Readonly<Record<string, string>>;

const program = (script: string): readonly string[] => [process.execPath, '-e', script];
/** Asked for names by pods; nobody is there, as every query is captured. */
export const NAME_SERVER = '10.99.0.10';
/** A connection that is neither answered nor refused in this time counts as such. */
const PATIENCE_MS = 12_000;

/** One connection to each target at the same time; writes {@link Outcomes}. */
export function callEach(targets: readonly string[]): readonly string[] {
  return program(`
    const net = require('net'), outcomes = {}; let left = ${targets.length};
    for (const target of ${JSON.stringify(targets)}) {
      const [host, port] = target.split(' ');
      let text = '';
      const s = net.connect({ host, port: Number(port) });
      s.setTimeout(${PATIENCE_MS}, () => s.destroy(Object.assign(new Error(), { code: 'SILENT' })));
      s.on('data', (d) => text += d);
      s.on('error', (e) => text = e.code);
      s.on('close', () => { outcomes[target] = text || 'CLOSED'; if (--left === 0) console.log(JSON.stringify(outcomes)); });
    }`);
}

/** Asks a server for the IPv4 addresses of a name; writes them as JSON, or the code of the error. */
export function resolve4(server: string, name: string): readonly string[] {
  return program(`const { Resolver } = require('dns'); const r = new Resolver({ timeout: 3000, tries: 2 }); r.setServers(['${server}']); r.resolve4('${name}', (e, found) => console.log(JSON.stringify(e ? e.code : found.sort())));`);
}
