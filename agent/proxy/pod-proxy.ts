import { once } from 'node:events';
import { createServer, isIPv4, type Server, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import { HBONE_PORT, OUTBOUND_PORT, PLAINTEXT_PORT, type SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import type { Logger } from 'pino';
import type { CapturedPod } from '../capture/capture.ts';
import { type Workload, networkAddress } from '../discovery/registry.ts';
import { type Balancer, type Route, route } from '../discovery/route.ts';
import type { Discovery } from '../discovery/xds-client.ts';
import type { CertificateStore } from '../identity/certificate-store.ts';
import { metrics } from '../metrics.ts';
import type { LocalPod } from '../pods/local-pod.ts';
import { type AccessLog, type ConnectionRecord, notCarried, type Party } from './access-log.ts';
import { HboneServer } from './hbone-server.ts';
import { relay } from './relay.ts';
import { reset } from './reset.ts';
import type { TunnelClient, TunnelRequest, TunnelSource } from './tunnel.ts';

const DIAL_TIMEOUT_MS = 10_000;
/** How long a connection waits for the first answer of discovery after the agent started. */
const DISCOVERY_TIMEOUT_MS = 10_000;
const KEEPALIVE_MS = 30_000;
const SERVICE_UNAVAILABLE = 503;
const BAD_REQUEST = 400;
const OWN_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT]);

export interface ProxyContext {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly discovery: Discovery;
  readonly certificates: CertificateStore;
  readonly tunnels: TunnelClient;
  readonly balancer: Balancer;
  readonly accessLog: AccessLog;
  readonly log: Logger;
}

/** Carries the traffic of one captured pod: its three listeners and every connection on them. */
export class PodProxy implements AsyncDisposable {
  readonly #pod: LocalPod;
  readonly #captured: CapturedPod;
  readonly #context: ProxyContext;
  readonly #identity: SpiffeId;
  readonly #closing = new AbortController();
  readonly #connections = new Set<Socket>();
  readonly #servers: Server[] = [];
  readonly #held: Disposable[] = [];
  #hbone: HboneServer | undefined;

  /** @throws LandbridgeError `bad-identity` for a pod whose names make no SPIFFE ID */
  constructor(pod: LocalPod, captured: CapturedPod, context: ProxyContext) {
    const identity = spiffeId({ trustDomain: context.trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
    if (!identity.ok) throw new LandbridgeError('bad-identity', `pod ${pod.namespace}/${pod.name}: ${identity.error}`);
    this.#pod = pod;
    this.#captured = captured;
    this.#context = context;
    this.#identity = identity.value;
  }

  /** Serves plaintext and outbound connections at once, and HBONE as soon as there is a certificate. */
  async start(): Promise<void> {
    const [outbound = -1] = this.#captured.listeners.outbound;
    const [plaintext = -1] = this.#captured.listeners.plaintext;
    const [hbone = -1] = this.#captured.listeners.hbone;
    this.#held.push(this.#context.certificates.hold(this.#identity, () => void this.#renew()));
    this.#held.push(this.#context.discovery.onBundlesChange(() => this.#hbone?.trust()));
    void this.#serveHbone(hbone);
    await Promise.all([this.#serve(outbound, (socket) => this.#outbound(socket)), this.#serve(plaintext, (socket) => this.#plaintext(socket))]);
  }

  async #serve(fd: number, handle: (socket: Socket) => Promise<void>): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) => {
      this.#track(socket);
      handle(socket).catch((thrown: unknown) => {
        this.#context.log.error({ error: LandbridgeError.from(thrown).message, pod: this.#pod.name }, 'a connection could not be handled');
        reset(socket);
      });
    });
    this.#servers.push(server);
    const listening = once(server, 'listening');
    server.listen({ fd });
    await listening;
  }

  async #serveHbone(fd: number): Promise<void> {
    const { certificates, discovery, log } = this.#context;
    try {
      const certificate = await certificates.get(this.#identity, this.#closing.signal);
      const server = new HboneServer({
        certificate,
        bundles: () => discovery.bundles,
        onRequest: (request) => void this.#inbound(request),
        onRefusedPeer: (remote, reason) => log.warn({ pod: this.#pod.name, namespace: this.#pod.namespace, remote, reason }, 'tunnel refused'),
        log,
      });
      this.#hbone = server;
      await server.listen(fd);
    } catch (thrown) {
      // Nobody else knows the socket: left open, the kernel would queue tunnels that nobody accepts.
      if (this.#hbone === undefined) new FileDescriptor(fd)[Symbol.dispose]();
      if (!this.#closing.signal.aborted) log.error({ pod: this.#pod.name, error: LandbridgeError.from(thrown).message }, 'the pod takes no tunnels');
    }
  }

  async #renew(): Promise<void> {
    this.#hbone?.renew(await this.#context.certificates.get(this.#identity, this.#closing.signal));
  }

  async #outbound(socket: Socket): Promise<void> {
    const source = { ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    const destination = this.#captured.originalDestination(source);
    if (destination === undefined) {
      // Only what was redirected may come here: a process that dials the port itself is refused.
      this.#context.log.warn({ pod: this.#pod.name, namespace: this.#pod.namespace }, 'connection to the capture port that was not redirected');
      return reset(socket);
    }
    const local: Party = { address: source, workload: this.#pod.name, namespace: this.#pod.namespace, cluster: this.#context.cluster, identity: this.#identity };
    const { discovery, accessLog } = this.#context;
    const told = discovery.isReady || (await this.#untilTold());
    if (!told) {
      accessLog.refused({ direction: 'outbound', tunnel: 'none', source: local, destination: { address: destination } }, 'discovery has not told anything yet');
      return reset(socket);
    }
    const chosen = route(discovery.registry, this.#context.network, destination, this.#context.balancer.choose);
    if (chosen.kind === 'refuse') {
      accessLog.refused({ direction: 'outbound', tunnel: 'none', source: local, destination: { address: destination }, service: chosen.service?.hostname }, chosen.reason);
      return reset(socket);
    }
    await this.#carry(socket, local, chosen);
  }

  /** Waits for discovery's first answer; false where it takes too long. */
  async #untilTold(): Promise<boolean> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, stop.signal]);
    try {
      // Stopped below, or by the end of the proxy.
      return await Promise.race([this.#context.discovery.ready.then(() => true), delay(DISCOVERY_TIMEOUT_MS, false, { signal }).catch(() => false)]);
    } finally {
      stop.abort();
    }
  }

  async #carry(socket: Socket, source: Party, chosen: Exclude<Route, { kind: 'refuse' }>): Promise<void> {
    const workload = chosen.kind === 'passthrough' ? undefined : chosen.workload;
    const expected = chosen.kind === 'hbone' ? identityOf(chosen.workload) : undefined;
    const record: ConnectionRecord = {
      direction: 'outbound',
      tunnel: chosen.kind === 'hbone' ? 'hbone' : 'none',
      source,
      destination: { address: chosen.destination, workload: workload?.name, namespace: workload?.namespace, cluster: workload?.cluster, identity: expected },
      service: chosen.kind === 'passthrough' ? undefined : chosen.service?.hostname,
    };
    const closed = this.#context.accessLog.open(record);
    using _counted = workload === undefined ? undefined : this.#context.balancer.opened(workload);
    try {
      const far = chosen.kind === 'hbone' ? await this.#tunnel(chosen.workload, chosen.destination, expected) : await this.#dial(chosen.destination);
      closed(await relay(socket, far));
    } catch (thrown) {
      closed(notCarried(thrown));
      reset(socket);
    }
  }

  async #tunnel(workload: Workload, destination: SocketAddress, identity: SpiffeId | undefined): ReturnType<TunnelClient['open']> {
    if (identity === undefined) throw new LandbridgeError('tunnel-identity', `workload ${workload.uid} has names that make no SPIFFE ID`);
    const source: TunnelSource = {
      key: this.#pod.uid,
      certificate: async (signal) => await this.#context.certificates.get(this.#identity, signal),
      // A half-open TLS connection is of no use: the end of one must end the session.
      socket: (family) => new Socket({ fd: this.#captured.socket(family) }),
    };
    const stopTimer = metrics.tunnelDialSeconds.startTimer();
    const stream = await this.#context.tunnels.open(source, { destination, endpoint: { ip: destination.ip, port: HBONE_PORT }, identity }, this.#closing.signal);
    stopTimer();
    return stream;
  }

  /** Connections that arrive without a tunnel: kubelet probes, pods outside the mesh. */
  async #plaintext(socket: Socket): Promise<void> {
    const destination = { ip: unmapped(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    const closed = this.#context.accessLog.open({
      direction: 'inbound',
      tunnel: 'none',
      source: { address: { ip: unmapped(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 } },
      destination: this.#self(destination),
    });
    try {
      closed(await relay(socket, await this.#dial(destination)));
    } catch (thrown) {
      closed(notCarried(thrown));
      reset(socket);
    }
  }

  async #inbound(request: TunnelRequest): Promise<void> {
    const { peer, destination } = request;
    const { discovery, network, accessLog } = this.#context;
    const known = discovery.registry.workloadAt(networkAddress(network, request.remote.ip));
    const record: ConnectionRecord = {
      direction: 'inbound',
      tunnel: 'hbone',
      source: { address: request.remote, workload: known?.name, namespace: peer.namespace, cluster: known?.cluster, identity: peer.id },
      destination: this.#self(destination),
    };
    if (destination.ip !== this.#pod.address || OWN_PORTS.has(destination.port)) {
      accessLog.refused(record, 'the destination is not an application of this pod');
      return request.refuse(BAD_REQUEST);
    }
    const closed = accessLog.open(record);
    let application: Socket;
    try {
      application = await this.#dial(destination);
    } catch (thrown) {
      closed(notCarried(thrown));
      return request.refuse(SERVICE_UNAVAILABLE);
    }
    closed(await relay(request.accept(), application));
  }

  /** Connects from inside the pod. @throws LandbridgeError `dial` */
  async #dial({ ip, port }: SocketAddress): Promise<Socket> {
    if (OWN_PORTS.has(port) && ip === this.#pod.address) throw new LandbridgeError('dial', `port ${port} is the agent's own`);
    const socket = new Socket({ fd: this.#captured.socket(isIPv4(ip) ? 'IPv4' : 'IPv6'), allowHalfOpen: true });
    this.#track(socket);
    const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
    try {
      const connected = once(socket, 'connect', { signal: AbortSignal.any([this.#closing.signal, timeout]) });
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEPALIVE_MS);
      socket.connect({ host: ip, port });
      await connected;
      return socket;
    } catch (thrown) {
      socket.destroy();
      throw new LandbridgeError('dial', `dial of ${ip}:${port}: ${timeout.aborted ? 'timed out' : LandbridgeError.from(thrown).message}`, { cause: thrown, retryable: true });
    }
  }

  #self(address: SocketAddress): Party {
    return { address, workload: this.#pod.name, namespace: this.#pod.namespace, cluster: this.#context.cluster, identity: this.#identity };
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    // The relay has its own listener; this one is for sockets that fail before they have one.
    socket.on('error', () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    for (const held of this.#held) held[Symbol.dispose]();
    for (const server of this.#servers) server.close();
    await this.#hbone?.[Symbol.asyncDispose]();
    for (const socket of this.#connections) reset(socket);
  }
}

function identityOf(workload: Workload): SpiffeId | undefined {
  const identity = spiffeId(workload);
  return identity.ok ? identity.value : undefined;
}

const unmapped = (ip: string): string => (ip.startsWith('::ffff:') ? ip.slice('::ffff:'.length) : ip);
