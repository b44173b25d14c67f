import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Capture, CapturedPod } from '@landbridge/agent/capture/capture.ts';
import { addressBytes, DNS_PORT } from '@landbridge/ebpf/capture-layout.ts';
import { sendDatagram } from '@landbridge/native/datagram-socket.ts';
import type { MeshPod } from './mesh-pod.ts';

/** An agent that carries nothing: what comes to a listener is told which one took it. */
export interface AnsweringAgent extends AsyncDisposable {
  readonly pod: CapturedPod;
  /** Connections that came to each socket of a kind, in the order of the sockets. */
  readonly accepted: Readonly<Record<'outbound' | 'plaintext' | 'hbone', readonly number[]>>;
  /** Ends as an agent does when another one follows: the pod stays captured. */
  close(): void;
}

/** Captures a pod, and where `capturesDns` its queries too, and answers on all its listeners for as long as the test runs; where `endsLast` not before the other end has ended. */
export async function answerFor(capture: Capture, { place }: MeshPod, { capturesDns = false, endsLast = false }: { readonly capturesDns?: boolean; readonly endsLast?: boolean } = {}): Promise<AnsweringAgent> {
  const pod = capture.capture({ ...place, capturesDns });
  const answers = {
    outbound: (socket: Socket): string => {
      // Reset by its client before it was accepted.
      if (socket.remoteAddress === undefined) return '';
      const destination = pod.originalDestination({ ip: socket.remoteAddress, port: socket.remotePort ?? 0 });
      return `outbound from ${ip(socket.remoteAddress)} to ${destination?.ip} ${destination?.port}`;
    },
    plaintext: (socket: Socket): string => `plaintext for ${ip(socket.localAddress)} ${socket.localPort} from ${ip(socket.remoteAddress)}`,
    hbone: (socket: Socket): string => `hbone for ${ip(socket.localAddress)} ${socket.localPort} from ${ip(socket.remoteAddress)}`,
  };
  const servers: Server[] = [];
  const counts = async (kind: keyof typeof answers): Promise<number[]> => {
    const accepted = pod.listeners[kind].map(() => 0);
    for (const [at, fd] of pod.listeners[kind].entries()) {
      servers.push(await serve(fd, (socket) => {
        accepted[at] = (accepted[at] ?? 0) + 1;
        return answers[kind](socket);
      }, endsLast));
    }
    return accepted;
  };
  for (const fd of pod.listeners.dns) servers.push(await serve(fd, answers.outbound));
  const datagrams = pod.listeners.dnsDatagrams.map((fd, at) => answerDatagrams(pod, fd, DNS_PORT + at));
  const end = (): void => {
    for (const each of [...servers, ...datagrams]) each.close();
  };
  return {
    pod,
    accepted: { outbound: await counts('outbound'), plaintext: await counts('plaintext'), hbone: await counts('hbone') },
    close: () => {
      end();
      pod[Symbol.dispose]();
    },
    [Symbol.asyncDispose]: async () => {
      capture.release(pod);
      end();
    },
  };
}

/** Answers each datagram in the words of the outbound listener. */
function answerDatagrams(pod: CapturedPod, fd: number, port: number): DatagramSocket {
  const socket = createSocket('udp6');
  socket.on('message', (_, source) => {
    const from = ip(source.address);
    const to = pod.place.addresses.find((own) => own.includes(':') === from.includes(':')) ?? '';
    const server = pod.askedServer({ ip: to, port }, { ip: from, port: source.port });
    sendDatagram(fd, Buffer.from(`outbound from ${from} to ${server?.ip} ${server?.port}`), { from: addressBytes(to), to: addressBytes(from), port: source.port, isDual: true });
  });
  socket.bind({ fd });
  return socket;
}

/** Captures a pod as an agent does that then dies: nobody answers, and what is pinned stays. */
export async function abandon(capture: Capture, { place }: MeshPod): Promise<void> {
  const pod = capture.capture(place);
  for (const fd of Object.values(pod.listeners).flat() as number[]) (await serve(fd, () => '')).close();
  pod[Symbol.dispose]();
}

/** Sockets of both families name IPv4 addresses as mapped ones. */
const ip = (address = ''): string => address.replace(/^::ffff:/, '');

async function serve(fd: number, text: (socket: Socket) => string, endsLast = false): Promise<Server> {
  const server = createServer({ allowHalfOpen: endsLast }, (socket) => {
    // Closed with bytes unread it would reset the connection.
    socket.on('error', () => {}).resume();
    const answer = text(socket);
    if (endsLast) socket.once('end', () => socket.end(answer));
    else socket.end(answer);
  });
  const listening = once(server, 'listening');
  server.listen({ fd });
  await listening;
  return server;
}
