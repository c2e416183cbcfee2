import asyncio
import socket

from multihead.serving.server import bind


def test_each_part_of_an_answer_is_sent_at_once() -> None:
    """Otherwise the body of every answer waits 40 ms for word that its headers have arrived."""

    async def delays() -> bool:
        seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def taken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken_socket = writer.get_extra_info("socket")
            seen.set_result(not taken_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = bind("127.0.0.1", 0)
        async with await asyncio.start_server(taken, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found = await seen
            writer.close()
            await writer.wait_closed()
            return found

    assert not asyncio.run(delays())
