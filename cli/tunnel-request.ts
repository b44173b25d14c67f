import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';

export interface TunnelRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  /** Of the answer, in characters. */
  readonly limit: number;
}

/** One HTTP request on a stream of its own; resolves with the body of the answer, whatever its status. */
export function exchange(stream: Duplex, { method, path, body = '', limit }: TunnelRequest, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'localhost', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), connection: 'close' };
    const request = httpRequest({ createConnection: () => stream, method, path, headers, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > limit) response.destroy(new Error('the answer is too long'));
      });
      response.once('error', reject);
      response.once('end', () => {
        stream.destroy();
        resolve(text);
      });
    });
    // Also a tunnel that ends without an answer comes here.
    request.once('error', (error) => {
      stream.destroy();
      reject(error);
    });
    request.end(body);
  });
}
