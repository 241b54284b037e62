"""Adapters: small trained parts on a frozen model. The only room that knows PEFT and its names."""
