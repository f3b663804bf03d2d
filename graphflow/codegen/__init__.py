"""From Programs to machine code: schedule, memory plan, emission, compilation."""
