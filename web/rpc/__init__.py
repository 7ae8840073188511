"""The request and response interface of the ConnectPort X2 for Smart Energy, in XML and in JSON (CPX2-SE)."""
