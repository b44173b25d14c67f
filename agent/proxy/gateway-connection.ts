import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { Result } from '@landbridge/core/result.ts';
import { HBONE_PORT } from '@landbridge/ebpf/capture-layout.ts';
import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { ConnectRequest, RequestFault } from '@landbridge/wire/http2-request.ts';
import type { Http2Stream, StreamEnd, StreamListener } from '../hbone/http2-stream.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { DataThread } from './data-thread.ts';
import { dial } from './dialer.ts';
import type { InboundSession } from './inbound-session.ts';
import { PendingDial } from './pending-dial.ts';
import type { Route, RouteWaiter } from './route-cache.ts';
import type { PodConnection } from './thread-pod.ts';
import type { ConnectionView, ResponseFlag } from './thread-messages.ts';
import type { Metered, Series } from './traffic-counter.ts';

/** Endpoints that a gateway tries for one tunnel. */
const MAX_ATTEMPTS = 3;

/**
 * A tunnel through this gateway to an endpoint of a service: what is inside it is TLS between client and endpoint, and
 * is carried as it is.
 */
export class GatewayConnection implements StreamListener, NearOwner, RouteWaiter, PodConnection, Metered {
  readonly #thread: DataThread;
  readonly #session: InboundSession;
  readonly #stream: Http2Stream;
  readonly startedAtMs: number;
  series: Series;
  reportedSent = 0;
  reportedReceived = 0;
  #authority = '';
  #route: Route | undefined;
  #candidate: Candidate | undefined;
  readonly #tried = new Set<string>();
  #upstream: PendingDial | undefined;
  #counted: 'no' | 'dialing' | 'open' = 'no';
  #refusal: { readonly flag: ResponseFlag; readonly text: string } | undefined;
  #isClosed = false;

  constructor(thread: DataThread, session: InboundSession, stream: Http2Stream) {
    this.#thread = thread;
    this.#session = session;
    this.#stream = stream;
    this.startedAtMs = thread.loop.nowMs;
    this.series = session.seriesOf(undefined, undefined);
    stream.listener = this;
  }

  get sentBytes(): number {
    return this.#stream.bytesReceived;
  }

  get receivedBytes(): number {
    return this.#stream.bytesSent;
  }

  begin(request: Result<ConnectRequest, RequestFault>): void {
    if (request.ok) {
      this.series = this.#session.seriesOf(request.value.baggage, request.value.forwarded);
      this.#authority = request.value.authority;
    }
    this.#thread.traffic.opened(this);
    this.#session.pod.outbound.add(this);
    const authority = request.ok ? this.#session.authorityOf(request.value.authority) : undefined;
    // Services only: a gateway that dialled any address on demand would be open to everything behind it.
    if (authority?.ok !== true || authority.value.kind !== 'hostname') return this.#refuse(400, 'a gateway is asked for SERVICE:PORT');
    this.#thread.routes.find(this.#session.pod.spec, { hostname: authority.value.hostname, port: authority.value.port }, this);
  }

  onNoRoute(): void {
    this.#refuse(503, 'discovery has not told anything in time');
  }

  onRoute(route: Route): void {
    if (this.#isClosed) return;
    this.#route = route;
    this.#thread.routes.hold(route);
    this.#choose();
  }

  #choose(): void {
    const { plan, chooser } = this.#route as Route;
    if (plan?.kind !== 'balance') return this.#refuse(503, plan?.kind === 'refuse' ? plan.reason : 'no such service');
    const choice = chooser.choose(plan, { sourceIp: this.#session.remote.ip, exclude: this.#tried, nowMs: this.#thread.loop.nowMs });
    if (choice.kind !== 'candidate') return this.#refuse(503, choice.kind === 'overloaded' ? 'too many connections to this service at once' : 'no endpoint can be reached');
    const { candidate } = choice;
    this.#candidate = candidate;
    chooser.dialing(candidate.id);
    this.#counted = 'dialing';
    const pending = PendingDial.follow(this.#thread, this.#session.pod.spec, dial(this.#session.pod.spec, candidate.address, candidate.port), this);
    if (!pending.ok) return this.#failed(pending.error.text);
    this.#upstream = pending.value;
    if (pending.value.socket.isConnected) this.onNear();
  }

  onNear(): void {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#isClosed) return;
    if (upstream.socket.hasFailed) {
      this.#upstream = undefined;
      upstream.giveUp();
      return this.#failed('the endpoint can not be reached');
    }
    if (!upstream.socket.isConnected) return;
    this.#upstream = undefined;
    this.#counted = 'open';
    (this.#route as Route).chooser.opened((this.#candidate as Candidate).id);
    const socket = upstream.take();
    socket.owner = this.#stream;
    this.#stream.join(socket);
    this.#stream.respond([[':status', '200']], false);
    this.#stream.onNear();
  }

  /** Nothing was carried: what came early waits in the stream. */
  #failed(text: string): void {
    const id = (this.#candidate as Candidate).id;
    (this.#route as Route).chooser.failed(id, this.#thread.loop.nowMs);
    this.#counted = 'no';
    this.#tried.add(id);
    if (this.#tried.size >= MAX_ATTEMPTS) return this.#refuse(503, text);
    this.#choose();
  }

  #refuse(status: 400 | 503, text: string): void {
    if (this.#isClosed) return;
    this.#refusal = { flag: 'CONNECT', text };
    this.#stream.respond([[':status', String(status)]], true);
  }

  onClosed(_stream: Http2Stream, end: StreamEnd): void {
    if (this.#refusal !== undefined) return this.#finish(this.#refusal.flag, this.#refusal.text);
    if (end.kind === 'complete') return this.#finish('-', undefined);
    this.#finish(end.kind === 'peer-reset' ? '-' : 'CONNECT', end.kind === 'peer-reset' ? `reset by the client (${end.code})` : end.kind === 'near-failed' ? 'reset by the endpoint' : 'the tunnel was lost');
  }

  #finish(flag: ResponseFlag, error: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const route = this.#route;
    if (route !== undefined) {
      const id = this.#candidate?.id;
      if (id !== undefined && this.#counted === 'open') route.chooser.closed(id);
      else if (id !== undefined && this.#counted === 'dialing') route.chooser.abandoned(id);
      this.#thread.routes.release(route);
    }
    this.#upstream?.giveUp();
    this.#upstream = undefined;
    this.#session.pod.outbound.delete(this);
    this.#thread.traffic.closed(this, { flag, error }, this.#thread.loop.nowMs, () => ({
      sourceAddress: formatSocketAddress(this.#session.remote),
      destinationAddress: formatSocketAddress({ ip: this.#session.localIp, port: HBONE_PORT }),
      hboneAddress: this.#authority,
      sourceIdentity: this.#session.peer.id,
      destinationIdentity: this.#session.pod.spec.identity,
      traceId: undefined,
    }));
  }

  cut(reason: string, flag: 'DENY' | 'CONNECT'): void {
    this.#refusal = { flag, text: reason };
    this.#stream.reset();
  }

  view(nowMs: number): ConnectionView {
    const { remote, localIp, peer, pod } = this.#session;
    return { direction: 'inbound', carriage: 'hbone', source: formatSocketAddress(remote), destination: formatSocketAddress({ ip: localIp, port: HBONE_PORT }), hboneAddress: this.#authority, sourceIdentity: peer.id, destinationIdentity: pod.spec.identity, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}
