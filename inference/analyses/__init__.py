"""What is found in a video over time. Each module has a part that looks at frames and a pure part that joins."""
