"""What each request does, one module a chapter of the manual.

A module has a class that is made with what it needs and gives `handlers()`: names of requests -> handlers. A request of
the table that no module handles is answered with a message that says so; `Engine.pending` lists them.
"""
