"""What each request does, one module a chapter of the manual.

A module has a class that is made with what it needs and gives `handlers()`: names of requests -> handlers. `RpcService`
makes one of each. A request of the table that no module handles is answered with a message that says so;
`Engine.pending` lists them.

    class Joining:
        def __init__(self, networks: Networks) -> None:
            self._networks = networks

        def handlers(self) -> dict[str, Handler]:
            return {"enable_joining": self.enable_joining}

        async def enable_joining(self, request: Checked) -> Values:
            seconds = fields.number(request.arguments, "join_time")
            await self._networks.permit_join(None, seconds)
            return {"join_time": seconds}

A handler gets parameters that are there and right, with defaults filled in and records complete, and gives those of its
response in their order; the identifier and the time are added. What goes wrong is raised: any `HubError`,
`ValueRefusedError` for a parameter, `conversation_failed(...)` for a device that was not reached. Of synchronous
requests one handler runs at a time; those of asynchronous ones, and of those that take too long, run beside it.
"""
