"""An HTTP endpoint that misbehaves on purpose: its mode changes while it serves, all on one thread of its own."""
import asyncio
import collections
import random
import threading


class Endpoint:
    """Modes: ok, slow, error (500 and 503), reset (cut before an answer), down (no listener).

    `received` has every request whose body arrived, in that order; `accepted` those answered with 200.
    `poison` decides which bodies are answered with 400 whatever the mode.
    """

    def __init__(self, slow_s, poison=lambda body: False):
        self.slow_s, self.poison = slow_s, poison
        self.mode = "ok"
        self.received, self.accepted = [], []
        self.answers = collections.Counter()
        self.loop = asyncio.new_event_loop()
        self.connections = set()
        self.server = None
        self.port = 0
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._do(self._listen())

    def _do(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def set_mode(self, mode):
        self._do(self._set_mode(mode))

    def stop(self):
        self.set_mode("down")
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _listen(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _set_mode(self, mode):
        was, self.mode = self.mode, mode
        if mode == "down" and was != "down":
            self.server.close()
            for writer in list(self.connections):
                writer.transport.abort()
        elif mode != "down" and was == "down":
            await self._listen()

    async def _serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.transport.abort()

    async def _request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length:")[1].split("\r\n")[0])
        body = (await reader.readexactly(size)).decode()
        self.received.append(body)
        mode, status = self.mode, 200
        if mode == "reset" and random.random() < 0.7:
            self.answers["reset"] += 1
            return False
        if mode == "slow":
            await asyncio.sleep(random.uniform(0, 2 * self.slow_s))
        if self.poison(body):
            status = 400
        elif mode == "error" and random.random() < 0.8:
            status = random.choice((500, 503))
        if status == 200:
            self.accepted.append(body)
        self.answers[status] += 1
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True
