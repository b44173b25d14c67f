import type { ConfigurationOptions, ObservableMiddleware } from '@kubernetes/client-node';
import type { Kubernetes } from './cluster-access.ts';

/** Lets a signal end a request: the Kubernetes client takes it through a middleware only. */
export function abortable({ Observable }: Kubernetes, signal: AbortSignal): ConfigurationOptions<ObservableMiddleware> {
  const middleware: ObservableMiddleware = {
    pre: (request) => {
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
  return { middleware: [middleware], middlewareMergeStrategy: 'append' };
}
