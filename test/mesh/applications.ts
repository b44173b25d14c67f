/** What runs in pods: programs of Node.js as command lines. */

const program = (script: string): readonly string[] => [process.execPath, '-e', script];

/** Answers every connection with the address that it comes from. Ready when it listens. */
export function greeter(port: number, host = '0.0.0.0', options: { readonly reusePort?: boolean } = {}): readonly string[] {
  return program(`require('net').createServer((s) => s.on('error', () => {}).resume().end('app saw ' + s.remoteAddress)).listen(${JSON.stringify({ port, host, ...options })}, () => console.log('ready'))`);
}

/** Sends every connection `bytes` bytes, whose values follow {@link pattern}, and takes back what comes until its end. Ready when it listens; then writes what it took. */
export function sender(port: number, bytes: number, host = '0.0.0.0'): readonly string[] {
  return program(`require('net').createServer({ allowHalfOpen: true }, (s) => { let n = 0; s.on('data', (d) => n += d.length); s.on('end', () => console.log(n)); s.on('error', () => {}); s.end(Buffer.alloc(${bytes}, ${JSON.stringify(PATTERN)})) }).listen({ port: ${port}, host: '${host}' }, () => console.log('ready'))`);
}

/** Says nothing, and ends a connection once the other end has. Ready when it listens. */
export function listener(port: number, host = '0.0.0.0'): readonly string[] {
  return program(`require('net').createServer({ allowHalfOpen: true }, (s) => s.on('error', () => {}).on('end', () => s.end()).resume()).listen(${port}, '${host}', () => console.log('ready'))`);
}

const PATTERN = 'landbridge 0123456789';
export const pattern = (bytes: number): Buffer => Buffer.alloc(bytes, PATTERN);

/** Connects and writes `own address > peer's address port what the peer said`, or the code of the error. */
export function caller(host: string, port: number, options: { readonly localAddress?: string; readonly localPort?: number } = {}): readonly string[] {
  return program(`const s = require('net').connect(${JSON.stringify({ host, port, ...options })}); ${REPORT}`);
}

const REPORT = `let t = ''; s.on('connect', () => t += s.localAddress + ' > ' + s.remoteAddress + ' ' + s.remotePort + ' '); s.on('data', (d) => t += d); s.on('error', (e) => console.log(e.code)); s.on('end', () => console.log(t));`;

/** As {@link caller}, from an IPv4 socket with a mark (SO_MARK). */
export function markedCaller(host: string, port: number, mark: number): readonly string[] {
  const native = import.meta.resolve('@landbridge/native/sockets.ts');
  const namespace = import.meta.resolve('@landbridge/native/network-namespace.ts');
  return [process.execPath, '--input-type=module', '-e', `
    import { Socket } from 'node:net';
    import { openNetworkNamespace } from '${namespace}';
    import { tcpSocketIn } from '${native}';
    const s = new Socket({ fd: tcpSocketIn(openNetworkNamespace('/proc/self/ns/net').number, 'IPv4', ${mark}) });
    s.connect(${JSON.stringify({ host, port })});
    ${REPORT}`];
}

/** Binds and listens with SO_REUSEPORT and writes `bound`, or the code of the error. */
export function binder(port: number, host: string): readonly string[] {
  return program(`const s = require('net').createServer(); s.on('error', (e) => console.log(e.code)); s.listen({ port: ${port}, host: '${host}', reusePort: true }, () => { console.log('bound'); s.close(); })`);
}

/** As {@link binder}, for datagrams. */
export function datagramBinder(port: number, host: string): readonly string[] {
  return program(`const s = require('dgram').createSocket({ type: 'udp6', reusePort: true }); s.on('error', (e) => console.log(e.code)); s.bind(${port}, '${host}', () => { console.log('bound'); s.close(); })`);
}

/** Connects `count` times at once to one destination and writes `done`, with how many connections were answered. */
export function repeatedCaller(host: string, port: number, count: number): readonly string[] {
  return program(`let left = ${count}, answered = 0; for (let i = 0; i < ${count}; i++) { const s = require('net').connect(${port}, '${host}'); s.on('data', () => answered++); s.on('error', (e) => console.log(e.code)); s.on('close', () => { if (--left === 0) console.log('done ' + answered); }); }`);
}

/** Connects `count` times, one after the other and to different destinations, ends each connection first and writes `done`. Waits where no port is free, for 20 s at most. */
export function tirelessCaller(count: number): readonly string[] {
  return program(`const limit = Date.now() + 20000; let i = 0; (function next() { if (i === ${count}) return console.log('done'); if (Date.now() > limit) return console.log('no port after ' + i); const s = require('net').connect(80, '192.0.2.' + (i % 200 + 1)); s.on('connect', () => { i++; s.end(); }).on('close', (failed) => { if (!failed) next(); }).on('error', (e) => e.code === 'EADDRNOTAVAIL' ? setTimeout(next, 50) : console.log(e.code)).resume(); })()`);
}

/**
 * Connects `count` times at once, each to a destination of its own, and writes `done` when each answer ended with it:
 * ` to 192.0.2.N PORT`.
 */
export function manyCallers(count: number): readonly string[] {
  return program(`let left = ${count}; for (let i = 0; i < ${count}; i++) { const s = require('net').connect(1000 + i, '192.0.2.' + (i % 200 + 1)); let t = ''; s.on('data', (d) => t += d); s.on('error', (e) => { console.log(e.code); }); s.on('end', () => { if (!t.endsWith(' to 192.0.2.' + (i % 200 + 1) + ' ' + (1000 + i))) console.log('wrong', i, t); if (--left === 0) console.log('done'); }); }`);
}

/** Answers every connection at any of the ports with the port. Ready when it listens at all. */
export function portTeller(ports: readonly number[]): readonly string[] {
  return program(`let left = ${ports.length}; for (const port of ${JSON.stringify(ports)}) require('net').createServer((s) => s.on('error', () => {}).end(String(port))).listen(port, '::', () => { if (--left === 0) console.log('ready') })`);
}

/** Connects `count` times, some at once, and writes as JSON how often it got each answer, with the peer's address and port before it, or each error. */
export function tallyCaller(host: string, port: number, count: number): readonly string[] {
  return program(`const tally = {}; let begun = 0, left = ${count}; const next = () => { if (begun++ >= ${count}) return; const s = require('net').connect(${port}, '${host}'); let t = ''; s.on('connect', () => t = s.remoteAddress + ' ' + s.remotePort + ' '); s.on('data', (d) => t += d); s.on('error', (e) => t = e.code); s.on('close', () => { tally[t] = (tally[t] ?? 0) + 1; if (--left === 0) console.log(JSON.stringify(tally)); next(); }); }; for (let i = 0; i < 16; i++) next();`);
}

/** Connects to one destination without end, some connections at once, and takes what is said. Ready when it has begun. */
export function hammer(host: string, port: number): readonly string[] {
  return program(`const next = () => { const s = require('net').connect(${port}, '${host}'); s.on('error', () => {}); s.on('close', next); s.resume(); }; for (let i = 0; i < 8; i++) next(); console.log('ready')`);
}
