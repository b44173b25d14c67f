// Loaded into every Node.js of the tests. What strips types is WebAssembly, and V8 13.6 ends the process when it compiles
// one of its functions anew and finds itself in code that its registry of code pages does not know
// ("it->second.Size() > offset", SIGTRAP; others meet its kin on real processors: nodejs/node#64500). Under qemu that is
// certain. Images have bundles of JavaScript, and nothing to strip.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--wasm-tiering-budget=2000000000');
