import { spin } from "./signal_spinner.ts";

spin(globalThis as unknown as { postMessage(message: string): void });
