"""The Streamlit leaderboard: it draws what ``effbench.report`` computed, and computes nothing itself."""
