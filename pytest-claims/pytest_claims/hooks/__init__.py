"""What pytest calls: collecting claims, running them, and gathering and publishing what came of it."""
